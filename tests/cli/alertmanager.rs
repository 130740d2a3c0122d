//! The Alertmanager's example that is exported: what is commented out can be used as it says.

use serde_json::Value;

use crate::process::spanwire;
use spanwire_testkit::folder::Folder;

#[test]
fn the_receiver_by_e_mail_is_good_once_its_comment_is_taken_away() {
    let folder = Folder::new("alerts");
    let path = folder.path().join("alertmanager");
    let exported = spanwire(&["alerts", "export", folder.path().to_str().unwrap()]);
    assert_eq!(exported.code, 0, "{}", exported.err);
    let text = std::fs::read_to_string(path.join("alertmanager.yml")).unwrap();
    let receivers = |text: &str| -> Vec<Value> {
        let config: Value = serde_saphyr::from_str(text).unwrap();
        config["receivers"].as_array().unwrap().clone()
    };
    assert_eq!(receivers(&text).len(), 1);
    // As a reader does it: from its name on, to the end of the comment.
    let begin = text.find("  # - name: email\n").unwrap();
    let (before, rest) = text.split_at(begin);
    let end = rest.find("\n\n").unwrap();
    let (comment, after) = rest.split_at(end);
    let lines = comment.lines().map(|line| line.replacen("# ", "", 1));
    let lines = lines.collect::<Vec<_>>().join("\n");
    let with_email = format!("{before}{lines}{after}");
    let found = receivers(&with_email);
    assert_eq!(found.len(), 2, "{with_email}");
    assert_eq!(found[1]["name"], "email");
    let email = found[1]["email_configs"][0].as_object().unwrap();
    // The names as the Alertmanager documents them.
    for known in [
        "to",
        "from",
        "smarthost",
        "auth_username",
        "auth_password_file",
    ] {
        assert!(email[known].is_string(), "{known}: {email:?}");
    }
    assert_eq!(email["send_resolved"], true);
}
