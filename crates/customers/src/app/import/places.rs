//! What a replica does at a time: files it looks at, and uploads it takes from one person.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clientele_kernel::{Actor, Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many files are looked at at a time: each look is a thread at work for up to some ten seconds.
const MOST_LOOKS: usize = 2;
/// How many uploads of one person go on at a time.
const MOST_UPLOADS: usize = 3;

/// Places for looks at files.
#[derive(Debug, Clone)]
pub(super) struct Looks(Arc<Semaphore>);

impl Looks {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MOST_LOOKS)))
    }

    /// A place, waited for no longer than this; `RESOURCE_EXHAUSTED` where none comes free.
    pub(super) async fn take(&self, patience: Duration) -> Result<OwnedSemaphorePermit, Error> {
        match tokio::time::timeout(patience, Arc::clone(&self.0).acquire_owned()).await {
            Ok(place) => place.map_err(Error::internal),
            Err(_) => Err(Error::exhausted(
                "TOO_MANY_LOOKS",
                format!("{MOST_LOOKS} other files are being looked at: try again in a moment"),
                Duration::from_secs(5),
            )),
        }
    }
}

/// Uploads under way, by whose they are.
#[derive(Debug, Clone, Default)]
pub(super) struct Uploads(Arc<Mutex<HashMap<Actor, usize>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct UploadPlace {
    of: Uploads,
    actor: Actor,
}

impl Uploads {
    /// A place for one more upload of this person; `RESOURCE_EXHAUSTED` where there are as many as may be.
    pub(super) fn take(&self, actor: &Actor) -> Result<UploadPlace, Error> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = under_way.entry(actor.clone()).or_default();
        if *count >= MOST_UPLOADS {
            return Err(Error::exhausted(
                "TOO_MANY_UPLOADS",
                format!("{MOST_UPLOADS} uploads of yours are under way: wait until one has ended"),
                Duration::from_secs(10),
            ));
        }
        *count += 1;
        Ok(UploadPlace { of: self.clone(), actor: actor.clone() })
    }
}

impl Drop for UploadPlace {
    fn drop(&mut self) {
        let mut under_way = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(&self.actor) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.actor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clientele_kernel::{ActorKind, Code};

    use super::*;

    #[tokio::test]
    async fn no_more_files_are_looked_at_at_a_time_than_there_are_places() {
        let looks = Looks::new();
        let patience = Duration::ZERO;
        let first = looks.take(patience).await.unwrap();
        let _second = looks.take(patience).await.unwrap();
        let refused = looks.take(patience).await.unwrap_err();
        assert_eq!((refused.code, refused.reason), (Code::ResourceExhausted, "TOO_MANY_LOOKS"));
        drop(first);
        drop(looks.take(patience).await.unwrap());
    }

    #[test]
    fn a_person_has_three_uploads_at_a_time_and_others_have_their_own() {
        let actor = |id: &str| Actor { kind: ActorKind::User, id: id.to_owned() };
        let uploads = Uploads::default();
        let mut places: Vec<_> = (0..3).map(|_| uploads.take(&actor("ann")).unwrap()).collect();
        let refused = uploads.take(&actor("ann")).unwrap_err();
        assert_eq!((refused.code, refused.reason), (Code::ResourceExhausted, "TOO_MANY_UPLOADS"));
        let bobs = uploads.take(&actor("bob")).unwrap();
        places.pop();
        places.push(uploads.take(&actor("ann")).unwrap());
        drop((places, bobs));
        assert!(uploads.0.lock().unwrap().is_empty(), "nobody is remembered who uploads nothing");
    }
}
