//! Questions to the store that many ask at once: one answer is given to all that have gathered while the last one was sought. Group
//! commit, for reading and for what is made where it is not found.

use std::{collections::HashMap, hash::Hash};

use tokio::sync::{mpsc, oneshot};

use super::node::blocking;
use crate::{
    domain::refusal::Refusal,
    store::{Db, pool::Readers},
};

/// How many are answered at once.
const LARGEST: usize = 500;

/// Reads what there is for these keys.
type Read<K, V> = fn(&mut Db, &[K]) -> diesel::QueryResult<HashMap<K, V>>;
type Asked<K, V> = (K, oneshot::Sender<Result<Option<V>, Refusal>>);

/// Asks for a `V` by its `K`.
#[derive(Debug)]
pub struct Gather<K, V>(mpsc::UnboundedSender<Asked<K, V>>);

impl<K, V> Gather<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    /// Starts answering with what is read, on the runtime of the caller.
    pub fn reading(readers: Readers, read: Read<K, V>) -> Gather<K, V> {
        Gather::start(move |keys| {
            let readers = readers.clone();
            blocking(move || readers.read(|db| read(db, &keys)))
        })
    }

    /// Starts answering, on the runtime of the caller.
    pub fn start<A>(answer: impl Fn(Vec<K>) -> A + 'static) -> Gather<K, V>
    where
        A: Future<Output = Result<HashMap<K, V>, Refusal>>,
    {
        let (ask, mut asked) = mpsc::unbounded_channel::<Asked<K, V>>();
        actix::spawn(async move {
            let mut waiting = Vec::new();
            while asked.recv_many(&mut waiting, LARGEST).await > 0 {
                let keys: Vec<K> = waiting.iter().map(|(key, _)| key.clone()).collect();
                metrics::histogram!("shopbell_gathered_reads").record(keys.len() as f64);
                let answers = answer(keys).await;
                for (key, back) in waiting.drain(..) {
                    let answer = match &answers {
                        Ok(answers) => Ok(answers.get(&key).cloned()),
                        Err(refusal) => Err(refusal.clone()),
                    };
                    _ = back.send(answer);
                }
            }
        });
        Gather(ask)
    }

    /// The answer for this key; `None` where there is nothing.
    ///
    /// # Errors
    /// `Unavailable` where the store does not answer.
    pub async fn ask(&self, key: K) -> Result<Option<V>, Refusal> {
        let (back, answer) = oneshot::channel();
        self.0.send((key, back)).map_err(|_| Refusal::BUSY)?;
        answer.await.unwrap_or(Err(Refusal::BUSY))
    }
}
