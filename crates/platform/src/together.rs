//! Work that comes in one by one and is done together: what has gathered while the last was done is done next, so that
//! many writes cost one commit, and one alone waits for nobody.

use tokio::sync::{mpsc, oneshot};

/// Where work is handed in.
#[derive(Debug)]
pub struct Together<T, R>(mpsc::Sender<(T, oneshot::Sender<R>)>);

/// Where it is taken up.
#[derive(Debug)]
pub struct Gathered<T, R>(mpsc::Receiver<(T, oneshot::Sender<R>)>);

/// Work of which at most so much waits; who hands in more waits with it.
pub fn together<T, R>(most: usize) -> (Together<T, R>, Gathered<T, R>) {
    let (sender, receiver) = mpsc::channel(most);
    (Together(sender), Gathered(receiver))
}

impl<T, R> Clone for Together<T, R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, R> Together<T, R> {
    /// What became of it; none where nobody works any more.
    pub async fn ask(&self, what: T) -> Option<R> {
        let (answer, answered) = oneshot::channel();
        self.0.send((what, answer)).await.ok()?;
        answered.await.ok()
    }
}

impl<T, R> Gathered<T, R> {
    /// Does what is handed in, at most so much at once, until nobody can hand in any more. `work` gives a result for each,
    /// in their order.
    pub async fn work<F>(mut self, most: usize, work: impl Fn(Vec<T>) -> F)
    where
        F: Future<Output = Vec<R>>,
    {
        let mut gathered = Vec::new();
        while self.0.recv_many(&mut gathered, most).await > 0 {
            let (what, askers): (Vec<T>, Vec<oneshot::Sender<R>>) = gathered.drain(..).unzip();
            for (asker, result) in askers.into_iter().zip(work(what).await) {
                // Who does not wait for it any more does not want it.
                let _ = asker.send(result);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn what_comes_in_meanwhile_is_done_together_and_each_gets_its_own_answer() {
        let (together, gathered) = together::<u32, u32>(100);
        let sizes = std::sync::Arc::new(Mutex::new(Vec::new()));
        let seen = sizes.clone();
        let working = tokio::spawn(gathered.work(10, move |numbers: Vec<u32>| {
            seen.lock().unwrap().push(numbers.len());
            async move {
                tokio::task::yield_now().await;
                numbers.iter().map(|number| number * 2).collect()
            }
        }));
        let answers = futures::future::join_all((0..25).map(|number| together.ask(number))).await;
        assert_eq!(answers, (0..25).map(|number| Some(number * 2)).collect::<Vec<_>>());
        drop(together);
        working.await.unwrap();
        let sizes = sizes.lock().unwrap();
        assert!(sizes.len() < 25 && sizes.iter().all(|size| *size <= 10), "{sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), 25);
    }

    #[tokio::test]
    async fn nobody_answers_where_nobody_works() {
        let (together, gathered) = together::<u32, u32>(1);
        drop(gathered);
        assert_eq!(together.ask(1).await, None);
    }
}
