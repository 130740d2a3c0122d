//! Why a server did not give the expected answer.

use std::{fmt, io};

/// Why there is no answer, or not the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProbeError {
    Refused,
    Timeout,
    UnknownHost,
    /// Something listens there that does not speak HTTP/1.1.
    NotHttp(String),
    Tls(String),
    TooLarge,
    Other(String),
    /// It answered with this status, and not with what the server that should be there answers.
    UnexpectedResponse(u16),
}

/// In words that come after "`url`: ".
impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("nothing listens there"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::UnknownHost => f.write_str("its host is unknown"),
            Self::NotHttp(how) => write!(f, "what is there does not speak HTTP/1.1 ({how})"),
            Self::Tls(how) => write!(f, "TLS failed ({how})"),
            Self::TooLarge => f.write_str("the answer is larger than 16 MiB"),
            Self::Other(how) => f.write_str(how),
            Self::UnexpectedResponse(status) => {
                write!(f, "something else answers there (HTTP {status})")
            }
        }
    }
}

impl From<ureq::Error> for ProbeError {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::Timeout,
            ureq::Error::HostNotFound => Self::UnknownHost,
            // Bytes came, and they are no HTTP/1.1: gRPC, TLS or something else.
            ureq::Error::Protocol(error) => Self::NotHttp(error.to_string()),
            ureq::Error::Rustls(error) => Self::Tls(error.to_string()),
            ureq::Error::BodyExceedsLimit(_) => Self::TooLarge,
            ureq::Error::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => Self::Refused,
                io::ErrorKind::TimedOut => Self::Timeout,
                // A server that understands nothing closes the connection. Whether that comes as an
                // end or as a reset depends on what it had read.
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted => {
                    Self::NotHttp("the connection was closed".into())
                }
                // rustls hands its errors through `Read` and `Write` as I/O errors.
                _ => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                    Some(error) => Self::Tls(rustls::Error::to_string(error)),
                    None => Self::Other(error.to_string()),
                },
            },
            other => Self::Other(other.to_string()),
        }
    }
}
