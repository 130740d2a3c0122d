//! Answers of a collector that stops reading: it refuses a body by its headers alone, answers, and
//! closes, while we still write. The answer is there, and says more than the broken pipe.

use std::io::ErrorKind;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Wraps the connection, whatever it is.
#[derive(Debug)]
pub(crate) struct LateAnswerConnector;

impl<In: Transport> Connector<In> for LateAnswerConnector {
    type Out = LateAnswerTransport<In>;

    fn connect(
        &self,
        _: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| LateAnswerTransport {
            inner,
            broken: None,
        }))
    }
}

/// A connection that is still read after a write has failed.
#[derive(Debug)]
pub(crate) struct LateAnswerTransport<In> {
    inner: In,
    /// Why nothing more is written.
    broken: Option<Error>,
}

impl<In: Transport> Transport for LateAnswerTransport<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        // The rest of the body goes nowhere. ureq asks for the answer only when it takes the body
        // for sent.
        if self.broken.is_some() {
            return Ok(());
        }
        match self.inner.transmit_output(amount, timeout) {
            Err(Error::Io(error))
                if matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe
                        | ErrorKind::ConnectionReset
                        | ErrorKind::ConnectionAborted
                ) =>
            {
                self.broken = Some(Error::Io(error));
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let read = self.inner.await_input(timeout);
        match (read, self.broken.take()) {
            // There is no answer either: what broke the connection is the reason.
            (Err(_) | Ok(false), Some(broken)) => Err(broken),
            (read, broken) => {
                self.broken = broken;
                read
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // ureq puts only an open connection back into its pool.
        self.broken.is_none() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
