//! The bus within one process.

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use clientele_contracts::platform::v1::Event;
use clientele_kernel::Error;
use futures::stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{Bus, Delivery, Subscription, check_source};

/// Hands events to subscribers within the process, through a buffer of a fixed length for each context.
#[derive(Debug)]
pub struct InProcess {
    buffer: usize,
    contexts: Mutex<HashMap<String, broadcast::Sender<Arc<Event>>>>,
}

impl InProcess {
    /// A bus whose subscribers may lag `buffer` events behind, rounded up to a power of two.
    pub fn new(buffer: NonZeroU16) -> Self {
        Self { buffer: usize::from(buffer.get()), contexts: Mutex::default() }
    }

    fn context(&self, name: &str) -> broadcast::Sender<Arc<Event>> {
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        match contexts.get(name) {
            Some(sender) => sender.clone(),
            None => contexts.entry(name.to_owned()).or_insert(broadcast::Sender::new(self.buffer)).clone(),
        }
    }
}

#[async_trait]
impl Bus for InProcess {
    async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        for run in events.chunk_by(|a, b| a.context == b.context) {
            let sender = self.context(&run[0].context);
            for event in run {
                // An error means that nobody follows the context at present, which is as good as delivered.
                let _ = sender.send(Arc::new(event.clone()));
            }
        }
        Ok(())
    }

    async fn subscribe(&self, source: &str) -> Result<Subscription, Error> {
        check_source(source)?;
        let receiver = self.context(source).subscribe();
        Ok(Subscription::new(stream::unfold((receiver, true), |(mut receiver, first)| async move {
            if first {
                return Some((Delivery::Gap, (receiver, false)));
            }
            let delivery = match receiver.recv().await {
                Ok(event) => Delivery::Event(Arc::unwrap_or_clone(event)),
                Err(RecvError::Lagged(_)) => Delivery::Gap,
                Err(RecvError::Closed) => return None,
            };
            Some((delivery, (receiver, false)))
        })))
    }
}
