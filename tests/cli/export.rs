use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use expect_test::expect;

use crate::process::{CommandOutput, command, said, spanwire};
use spanwire_testkit::folder::Folder;
use spanwire_testkit::prometheus::Prometheus;

/// Every file below a folder, by its path in there.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                found.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// What the repository has in `from`, as it is exported below `to`.
fn repository(from: &str, to: &str, into: &mut BTreeMap<String, Vec<u8>>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
    for (name, bytes) in tree(&root) {
        into.insert(format!("{to}/{name}"), bytes);
    }
}

fn export(kind: &str, dir: &Path, more: &[&str]) -> CommandOutput {
    said(command().args([kind, "export"]).arg(dir).args(more))
}

#[test]
fn exported_files_are_those_of_the_repository() {
    let folder = Folder::new("cli");
    let dir = folder.path().join("a/b");
    for (kind, folders) in [
        (
            "dashboards",
            &[
                ("grafana/dashboards", "dashboards"),
                ("grafana/provisioning", "provisioning"),
            ][..],
        ),
        (
            "alerts",
            &[
                ("deploy/prometheus/rules", "rules"),
                ("deploy/alertmanager", "alertmanager"),
                ("docs/runbooks", "runbooks"),
            ][..],
        ),
    ] {
        let dir = dir.join(kind);
        let mut expected = BTreeMap::new();
        for (from, to) in folders {
            repository(from, to, &mut expected);
        }
        let done = export(kind, &dir, &[]);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
        assert!(tree(&dir) == expected, "{:?}", tree(&dir).keys());
        assert!(
            done.out
                .contains(&format!("{} files written", expected.len()))
        );

        // Once more changes nothing.
        let again = export(kind, &dir, &[]);
        assert_eq!(again.code, 0, "{}", again.err);
        let none = format!(
            "0 files written to {}, {} were there",
            dir.display(),
            expected.len()
        );
        assert!(again.out.contains(&none), "{}", again.out);
    }
}

#[test]
fn an_export_says_what_grafana_and_prometheus_need() {
    let folder = Folder::new("cli");
    let done =
        said(
            command()
                .current_dir(folder.path())
                .args(["dashboards", "export", "it's here"]),
        );
    expect![[r#"
        wrote dashboards/fleet.json
        wrote dashboards/ipc.json
        wrote dashboards/laggy.json
        wrote dashboards/live.json
        wrote dashboards/operations.json
        wrote dashboards/process.json
        wrote dashboards/telemetry.json
        wrote provisioning/dashboards/spanwire.yml
        wrote provisioning/datasources/spanwire.yml
        9 files written to {folder}/it's here

        Grafana loads them with this in its environment:

          GF_PATHS_PROVISIONING='{folder}/it'\''s here/provisioning'
          SPANWIRE_DASHBOARDS='{folder}/it'\''s here/dashboards'
          SPANWIRE_PROMETHEUS_URL=http://127.0.0.1:9090
          SPANWIRE_JAEGER_URL=http://127.0.0.1:16686
          SPANWIRE_SCRAPE_INTERVAL=1s
          GF_DASHBOARDS_MIN_REFRESH_INTERVAL=1s

        SPANWIRE_SCRAPE_INTERVAL is the interval at which your Prometheus scrapes the app.
        In a container, the first two are the paths within it. A Grafana that has a provisioning folder
        keeps it: copy what is in provisioning/ into that, and leave GF_PATHS_PROVISIONING out.
    "#]].assert_eq(&folder.hide_in(&done.out));
    let done = said(
        command()
            .current_dir(folder.path())
            .args(["alerts", "export", "it's there"]),
    );
    let (_, needs) = done.out.split_once("\n\n").unwrap();
    expect![[r#"
        Prometheus 2.42 or newer loads them with this in its prometheus.yml:

          rule_files:
            - '{folder}/it''s there/rules/*.yml'
          alerting:
            alertmanagers:
              - static_configs:
                  - targets: ['127.0.0.1:9093']
          scrape_configs:
            - job_name: spanwire
              scrape_interval: 1s
              static_configs:
                - targets: ['127.0.0.1:9464']

        It reads that again on SIGHUP. These flags it needs from its start, the first for the way from
        a panel to a trace, the second when metrics are sent to it over OTLP:

          --enable-feature=exemplar-storage --web.enable-otlp-receiver

        Prometheus does not start with a flag that it does not know: `prometheus --version` says which you
        have. Before 3.0 the second is --enable-feature=otlp-write-receiver, and before 2.47 there is none.

        The Alertmanager's example is for you to change, and webhook-url beside it has the address that
        is told:

          cd '{folder}/it'\''s there/alertmanager' && alertmanager --config.file=alertmanager.yml
    "#]]
    .assert_eq(&folder.hide_in(needs));
}

/// Debian's own tools read what was written, from where it was written.
#[test]
fn prometheus_loads_exported_rules_as_the_output_says() {
    let folder = Folder::new("cli");
    let dir = folder.path().join("with space");
    let done = export("alerts", &dir, &[]);
    let (_, rest) = done.out.split_once("prometheus.yml:\n\n").unwrap();
    let (config, _) = rest.split_once("\n\n").unwrap();
    let config: String = config
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("  ").unwrap()))
        .collect();
    let file = folder.path().join("prometheus.yml");
    fs::write(&file, config).unwrap();
    let checked = std::process::Command::new("promtool")
        .args(["check", "config"])
        .arg(&file)
        .output()
        .expect("promtool is missing: scripts/install-packages test brings it");
    let text = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{text}");
    assert!(text.contains("rule files found"), "{text}");
}

/// The Prometheus that is found here starts with the flags that the output names for its version,
/// and has loaded the rules.
#[test]
fn prometheus_starts_with_the_flags_for_its_version() {
    let folder = Folder::new("cli");
    let done = export("alerts", folder.path(), &[]);
    let version = std::process::Command::new("prometheus")
        .arg("--version")
        .output()
        .expect("prometheus is missing: scripts/install-packages test brings it");
    let version = String::from_utf8_lossy(&[version.stdout, version.stderr].concat()).into_owned();
    let (_, version) = version.split_once("version ").unwrap();
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap(), parts.next().unwrap());
    let oldest = done.out.split_once("\n\nPrometheus ").unwrap().1;
    let (oldest, _) = oldest.split_once(" or newer").unwrap();
    assert_eq!(oldest, "2.42");
    assert!(
        version >= (2, 42),
        "{version:?} is older than what the output says"
    );
    let (exemplars, newest) = (
        "--enable-feature=exemplar-storage",
        "--web.enable-otlp-receiver",
    );
    assert!(done.out.contains(&format!("{exemplars} {newest}\n")));
    let before_3 = "--enable-feature=otlp-write-receiver";
    assert!(
        done.out
            .contains(&format!("Before 3.0 the second is {before_3}"))
    );
    let flags = match version {
        (2, ..47) => vec![exemplars],
        (2, _) => vec![exemplars, before_3],
        _ => vec![exemplars, newest],
    };
    let rules = folder.path().join("rules/*.yml");
    let config = format!("rule_files: ['{}']\n", rules.display());
    let prometheus = Prometheus::with_flags(&config, &flags);
    let loaded = "prometheus_rule_group_rules";
    let mut asked = 0;
    while !prometheus
        .own_text()
        .is_some_and(|text| text.contains(loaded))
    {
        asked += 1;
        assert!(asked < 300, "no rules with {flags:?}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// The runbook of each alert of the exported rules, and the address that it links to.
fn runbooks(rules: &Path) -> Vec<(String, Option<String>)> {
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for bytes in tree(rules).into_values() {
        let text = String::from_utf8(bytes).unwrap();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("runbook: ") {
                found.push((name.to_owned(), None));
            } else if let Some(url) = line.strip_prefix("runbook_url: ") {
                let url: String = serde_json::from_str(url).unwrap();
                found.last_mut().unwrap().1 = Some(url);
            }
        }
    }
    found
}

#[test]
fn exported_alerts_name_their_runbook_and_link_to_it_when_told_where() {
    let folder = Folder::new("cli");
    let plain = folder.path().join("plain");
    export("alerts", &plain, &[]);
    let named = runbooks(&plain.join("rules"));
    assert_eq!(named.len(), 27);
    for (path, url) in &named {
        assert!(plain.join(path).is_file(), "{path} is not exported");
        assert_eq!(*url, None, "no address is ours");
    }

    let linked = folder.path().join("linked");
    let address = ["--runbooks", "https://wiki.example/desktop/"];
    let done = export("alerts", &linked, &address);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    for (path, url) in runbooks(&linked.join("rules")) {
        let page = path.strip_prefix("runbooks/").unwrap();
        let expected = format!("https://wiki.example/desktop/{page}");
        assert_eq!(url, Some(expected));
    }
    let checked = std::process::Command::new("promtool")
        .args(["check", "rules"])
        .args(
            tree(&linked.join("rules"))
                .keys()
                .map(|name| linked.join("rules").join(name)),
        )
        .output()
        .expect("promtool is missing: scripts/install-packages test brings it");
    assert!(checked.status.success(), "{checked:?}");

    let stack = folder.path().join("stack");
    export("stack", &stack, &address);
    let rules = runbooks(&stack.join("deploy/prometheus/rules"));
    assert!(rules.len() == 27 && rules.iter().all(|(_, url)| url.is_some()));
    for (path, _) in rules {
        assert!(stack.join("docs").join(path).is_file());
    }
    for folder in [stack.join("grafana"), {
        export("dashboards", &linked, &address);
        linked.clone()
    }] {
        for bytes in tree(&folder.join("dashboards")).into_values() {
            let board: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let link = &board["links"][1]["url"];
            assert_eq!(link, "https://wiki.example/desktop/README.md");
        }
    }
}

#[test]
fn a_file_that_differs_stops_everything_until_forced() {
    let folder = Folder::new("cli");
    let dir = folder.path();
    export("dashboards", dir, &[]);
    let whole = tree(dir);
    fs::write(dir.join("dashboards/live.json"), "mine").unwrap();
    fs::write(dir.join("provisioning/dashboards/spanwire.yml"), "mine").unwrap();
    fs::remove_file(dir.join("dashboards/ipc.json")).unwrap();
    let before = tree(dir);

    let refused = export("dashboards", dir, &[]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    expect![[r#"
        error: {folder}/dashboards/live.json is there and differs
        error: {folder}/provisioning/dashboards/spanwire.yml is there and differs
        nothing was written
        remedy: --force overwrites; or take another folder
    "#]]
    .assert_eq(&folder.hide_in(&refused.err));
    assert!(tree(dir) == before, "nothing may be written");

    let forced = export("dashboards", dir, &["--force"]);
    assert_eq!(forced.code, 0, "{}", forced.err);
    assert!(forced.out.contains("3 files written"), "{}", forced.out);
    assert!(tree(dir) == whole);
}

#[test]
fn a_file_of_another_version_that_would_be_loaded_is_named_and_kept() {
    let folder = Folder::new("cli");
    fs::create_dir(folder.path().join("dashboards")).unwrap();
    fs::write(folder.path().join("dashboards/old.json"), "{}").unwrap();
    let done = export("dashboards", folder.path(), &[]);
    let said = "not of this version, and loaded with the rest: dashboards/old.json";
    assert!(done.out.contains(said), "{}", done.out);
    assert!(folder.path().join("dashboards/old.json").exists());
}

#[cfg(unix)]
#[test]
fn links_and_folders_in_the_way_are_named_and_never_overwritten() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new("cli");
    let at = |name: &str| folder.path().join(name);
    let elsewhere = at("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(at("file"), "mine").unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    type Prepare<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Prepare<'_>); 4] = [
        ("linked-folder", &|dir| {
            symlink(&elsewhere, dir.join("dashboards")).unwrap();
        }),
        ("linked-file", &|dir| {
            fs::create_dir(dir.join("dashboards")).unwrap();
            symlink(at("file"), dir.join("dashboards/ipc.json")).unwrap();
        }),
        ("folder-for-file", &|dir| {
            fs::create_dir_all(dir.join("dashboards/ipc.json")).unwrap();
        }),
        ("file-for-folder", &|dir| {
            fs::write(dir.join("provisioning"), "mine").unwrap();
        }),
    ];
    let mut said = String::new();
    for (name, prepare) in cases {
        fs::create_dir(at(name)).unwrap();
        prepare(&at(name));
        let before = tree(&at(name));
        let refused = export("dashboards", &at(name), &["--force"]);
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{name}");
        assert!(tree(&at(name)) == before, "{name}");
        said += &refused.err;
    }
    for name in ["file", "file/below", "dangling"] {
        let refused = export("dashboards", &at(name), &["--force"]);
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{name}");
        said += &refused.err;
    }
    assert_eq!(fs::read(at("file")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    expect![[r#"
        error: {folder}/linked-folder/dashboards is a symbolic link: what it leads to would be overwritten
        nothing was written
        error: {folder}/linked-file/dashboards/ipc.json is a symbolic link: what it leads to would be overwritten
        nothing was written
        error: {folder}/folder-for-file/dashboards/ipc.json is there and is no file
        nothing was written
        error: {folder}/file-for-folder/provisioning is a file where a folder belongs
        nothing was written
        error: {folder}/file is a file, not a folder
        nothing was written
        error: {folder}/file is a file, not a folder
        nothing was written
        error: {folder}/dangling is a link that leads nowhere
        nothing was written
    "#]].assert_eq(&folder.hide_in(&said));

    // A link that the user names is where they want it.
    symlink(&elsewhere, at("link")).unwrap();
    assert_eq!(export("dashboards", &at("link"), &[]).code, 0);
    assert!(elsewhere.join("dashboards/ipc.json").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_without_room_for_all_files_is_left_as_it_was() {
    let folder = Folder::new("cli");
    let new = folder.path().join("new/folder");
    let old = folder.path().join("old");
    fs::create_dir_all(old.join("scripts")).unwrap();
    fs::write(old.join("docker-compose.yml"), "mine").unwrap();
    let before = tree(&old);
    for dir in [&new, &old] {
        // The first files are smaller than what may be written, and the dashboards are not.
        let limited = r#"trap '' XFSZ; ulimit -f 20; exec "$0" stack export --force "$1""#;
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", limited]).arg(command().get_program());
        let refused = said(bash.arg(dir));
        assert_eq!((refused.code, refused.out.as_str()), (1, ""));
        assert!(
            refused.err.contains("cannot write") && refused.err.ends_with("nothing was written\n"),
            "{}",
            refused.err
        );
    }
    assert!(!folder.path().join("new").exists());
    assert!(tree(&old) == before);
    assert_eq!(export("stack", &old, &["--force"]).code, 0);
}

#[test]
fn the_lists_name_every_dashboard_and_alert() {
    expect![[r#"
        spanwire-fleet        Spanwire / Fleet
                              Many instances: the worst by latency, drops and memory, their distribution, and the versions compared.
        spanwire-ipc          Spanwire / IPC
                              Every message between the page and Rust: how many, how they ended, how long they took and where they waited.
        spanwire-laggy        Spanwire / Why is it laggy?
                              From the verdict to the culprit: which stage takes the time, and for each stage which event or thread. A panel's link at its top leads to the next question.
        spanwire-live         Spanwire / Live
                              The last minute, looked at every second. It is as fast as Prometheus scrapes: once a second in the stack that comes with Spanwire.
        spanwire-operations   Spanwire / Operations
                              What the app does: its scoped operations, how many, how long they take, which fail and which run now.
        spanwire-process      Spanwire / Process and system
                              What the app and its webview use of the machine.
        spanwire-telemetry    Spanwire / Telemetry health
                              Whether the other dashboards can be believed: what was exported, dropped and sampled, and what a scrape costs.
    "#]].assert_eq(&spanwire(&["dashboards", "list"]).out);
    expect![[r#"
        SpanwireErrorRateHigh             critical  after 2m
        SpanwireMessagesDropped           warning   at once
        SpanwireDeliverySlow              warning   after 10m
        SpanwireHandlerSlow               warning   after 10m
        SpanwireCallsUnsettled            warning   after 1m
        SpanwireEventRateGrown            warning   after 5m
        SpanwireMessageSizeGrown          warning   after 5m
        SpanwireDeliveryBudgetFastBurn    critical  at once
        SpanwireDeliveryBudgetSlowBurn    warning   at once
        SpanwireLatencyBudgetFastBurn     critical  at once
        SpanwireLatencyBudgetSlowBurn     warning   at once
        SpanwireOperationErrorRateHigh    critical  after 2m
        SpanwireMainThreadBlocked         warning   after 5m
        SpanwireMainThreadHung            critical  after 1m
        SpanwirePageUnresponsive          critical  after 1m
        SpanwirePageInert                 critical  after 1m
        SpanwirePageGone                  warning   after 1m
        SpanwirePageReloadLoop            critical  at once
        SpanwirePageThreadSaturated       warning   after 5m
        SpanwireMemoryGrowth              warning   after 10m
        SpanwireStartupSlow               warning   at once
        SpanwireTargetDown                warning   after 1m
        SpanwireHostCpuSaturated          warning   after 1m
        SpanwireQueueNearlyFull           warning   after 1m
        SpanwireQueueMessagesDropped      warning   at once
        SpanwireTelemetryLost             warning   at once
        SpanwireTelemetrySpooling         warning   after 30m
    "#]]
    .assert_eq(&spanwire(&["alerts", "list"]).out);
}

#[test]
fn arguments_that_cannot_be_understood_exit_with_two() {
    for args in [
        &["dashboards", "export"][..],
        &["dashboards", "export", ""],
        &["doctor", "--metrics", "ftp://x"],
        &["alerts", "export", "x", "--runbooks", "https://wiki/?page="],
        &["dance"],
        &[],
    ] {
        let refused = spanwire(args);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{args:?}");
        assert!(!refused.err.is_empty());
    }
    assert_eq!(spanwire(&["--help"]).code, 0);
    let version = spanwire(&["--version"]).out;
    assert_eq!(version, format!("spanwire {}\n", env!("CARGO_PKG_VERSION")));
}

/// It is started where it was written, so it must be as the repository has it.
#[test]
fn the_exported_stack_is_that_of_the_repository() {
    let folder = Folder::new("cli");
    let done = export("stack", folder.path(), &[]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    let (_, needs) = done.out.split_once("\n\n").unwrap();
    expect![[r#"
        With Docker and its compose plugin, this starts it and ends it:

          bash {folder}/scripts/compose up
          bash {folder}/scripts/compose down

        `up tempo` adds Tempo and Loki. Then start your app, and ask whether all is well:

          OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 your-app
          spanwire doctor

        A Prometheus of your own that takes deploy/prometheus/prometheus.yml is 3.0 or newer, and needs
        these flags:

          --enable-feature=exemplar-storage --web.enable-otlp-receiver

        Ports, more apps, and what differs from system to system: {folder}/deploy/README.md
    "#]]
    .assert_eq(&folder.hide_in(needs));
    let written = tree(folder.path());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, bytes) in &written {
        assert!(fs::read(root.join(path)).unwrap() == *bytes, "{path}");
    }
    // Whatever a compose file mounts is there.
    let mut mounted = 0;
    for (path, bytes) in &written {
        let text = String::from_utf8_lossy(bytes);
        let sources = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("source: ./"));
        let is_compose = path == "docker-compose.yml" || path.starts_with("deploy/compose/");
        for source in sources.filter(|_| is_compose) {
            assert!(folder.path().join(source).exists(), "{path}: {source}");
            mounted += 1;
        }
    }
    assert!(mounted > 10, "{mounted}");
}

#[cfg(unix)]
#[test]
fn only_the_script_of_an_exported_stack_is_executable() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("cli");
    export("stack", folder.path(), &[]);
    let runs = |path: &str| {
        let there = fs::metadata(folder.path().join(path)).unwrap();
        there.permissions().mode() & 0o100 != 0
    };
    assert!(runs("scripts/compose"));
    assert!(!runs("docker-compose.yml"));
}
