//! What somebody types.

use clap::ValueEnum;

use super::fault::Fault;

/// A line of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Start(Fault),
    Stop(Fault),
    /// Which faults there are, and which are on.
    List,
    /// What can be typed.
    Help,
}

impl Command {
    /// `None` for a line with nothing on it.
    ///
    /// # Errors
    ///
    /// A line that says what is wrong and what would be right.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, String> {
        let mut words = line.split_whitespace();
        // The third word must be none: a name with a space in it is a slip.
        let command = match (words.next(), words.next(), words.next()) {
            (None, ..) => return Ok(None),
            (Some("start"), Some(name), None) => Self::Start(fault(name)?),
            (Some("stop"), Some(name), None) => Self::Stop(fault(name)?),
            (Some("list"), None, None) => Self::List,
            (Some("help"), None, None) => Self::Help,
            _ => return Err(format!("{:?} is not understood: {HELP}", line.trim())),
        };
        Ok(Some(command))
    }
}

fn fault(name: &str) -> Result<Fault, String> {
    Fault::of(name).ok_or_else(|| {
        let names: Vec<String> = Fault::value_variants()
            .iter()
            .map(ToString::to_string)
            .collect();
        format!("there is no {name:?}; there are {}", names.join(", "))
    })
}

pub(super) const HELP: &str = "type start NAME, stop NAME, list or help";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command() {
        for (line, command) in [
            ("start full-queue", Some(Command::Start(Fault::FullQueue))),
            ("  stop  hung-ui \r", Some(Command::Stop(Fault::HungUi))),
            ("list", Some(Command::List)),
            ("help", Some(Command::Help)),
            ("", None),
        ] {
            assert_eq!(Command::parse(line), Ok(command), "{line:?}");
        }
    }

    #[test]
    fn what_is_not_understood_comes_back_with_what_would_be() {
        for line in [
            "start",
            "stop",
            "start leak now",
            "list all",
            "\u{0}",
            "LIST",
        ] {
            assert!(
                Command::parse(line).unwrap_err().contains("start NAME"),
                "{line:?}"
            );
        }
        let error = Command::parse("start nothing").unwrap_err();
        assert!(
            error.contains("\"nothing\"") && error.contains("frozen-page"),
            "{error}"
        );
    }

    #[test]
    fn each_fault_says_what_it_does() {
        for fault in Fault::value_variants() {
            assert!(!fault.about().is_empty());
            assert_eq!(Fault::of(&fault.to_string()), Some(*fault));
        }
    }

    #[test]
    fn the_docs_have_each_fault_and_each_alert() {
        let docs = include_str!("../../../docs/guide/faults.md");
        for fault in Fault::value_variants() {
            assert!(docs.contains(&format!("\n| `{fault}` |")), "{fault}");
        }
        let runbooks = include_str!("../../../docs/runbooks/README.md");
        let alerts = runbooks.lines().filter_map(|line| line.strip_prefix("| ["));
        for alert in alerts {
            let (alert, _) = alert.split_once(']').unwrap();
            assert!(docs.contains(&format!("[{alert}](")), "{alert}");
        }
    }
}
