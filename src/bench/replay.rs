//! Dialogues, played: each is a buyer of its own; one of a few agents claims it, and both speak in turn.
//!
//! A turn is said when the one before has been acked and has arrived. What happened is written down to the end of the run, so that
//! late repeats are judged too.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Instant,
};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{sync::Notify, time::timeout};

use super::{
    client::{self, Client, ClientError, Delivery, PATIENCE},
    dialogues::{Dialogue, Side},
    meter::Meter,
    notebook::Notebook,
    target::{Target, TargetError},
};
use crate::history::{
    Verdict,
    log::{Deed, Event, Message, Summary, To},
};

/// So many agents share the dialogues: enough that several see what waits, few enough that each has many.
const AGENTS: usize = 5;
const PAGE: usize = 200;

/// A run that could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("an agent cannot log in: {0}")]
    Agent(#[from] ClientError),
}

/// What a run found.
#[derive(Debug, Default)]
pub struct Outcome {
    pub verdict: Verdict,
    /// Dialogues that came to no end, and why.
    pub unfinished: Vec<String>,
}

/// One dialogue while it is played.
struct Scene {
    buyer: Arc<str>,
    state: Mutex<State>,
    arrived: Notify,
    conversation: OnceLock<u64>,
}

#[derive(Default)]
struct State {
    /// When each turn was sent.
    sent: Vec<Instant>,
    /// Which turns have come to whom.
    arrived: HashSet<(Arc<str>, usize)>,
}

impl Scene {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All dialogues of a run. A message's `client_id` says which dialogue and which turn it is: `RUN.dialogue.turn`.
struct Stage {
    run: String,
    shop: String,
    scenes: Vec<Scene>,
    notebook: Notebook,
    meter: Arc<Meter>,
}

/// Plays the dialogues, `parallel` at a time, in a new shop on `target`.
///
/// # Errors
/// [`ReplayError`] if the shop or its agents cannot be made. What goes wrong later is in the [`Outcome`].
pub async fn run(
    target: &Target,
    dialogues: &[Dialogue],
    parallel: usize,
    meter: Arc<Meter>,
) -> Result<Outcome, ReplayError> {
    let run = format!("{:08x}", rand::random::<u32>());
    let shop = format!("bench-{run}");
    target.make_shop(&shop).await?;
    let scenes = dialogues.iter().enumerate().map(|(at, dialogue)| Scene {
        buyer: uid_of(&run, at, &dialogue.id).into(),
        state: Mutex::default(),
        arrived: Notify::new(),
        conversation: OnceLock::new(),
    });
    let scenes = scenes.collect();
    let stage = Arc::new(Stage { run, shop, scenes, notebook: Notebook::default(), meter });

    let mut agents = Vec::new();
    for at in 0..AGENTS.min(dialogues.len()) {
        let uid = format!("agent:{}:{at}", stage.run);
        target.make_agent(&stage.shop, &uid).await?;
        agents.push(stage.login(target, &uid).await?);
    }

    let play = |(at, dialogue): (usize, &Dialogue)| {
        let (stage, agent) = (Arc::clone(&stage), Arc::clone(&agents[at % agents.len()]));
        let turns = dialogue.turns.clone();
        async move {
            let result = stage.play(target, at, &turns, &agent).await;
            stage.meter.finished();
            result.err().map(|error| format!("dialogue {}: {error}", stage.scenes[at].buyer))
        }
    };
    // Futures of their own, not borrowing the loop: one slow dialogue holds up none of the others.
    let plays: Vec<_> = dialogues.iter().enumerate().map(play).collect();
    let mut unfinished: Vec<String> =
        stream::iter(plays).buffer_unordered(parallel.max(1)).filter_map(std::future::ready).collect().await;

    for agent in &agents {
        if let Err(error) = settle(agent).await {
            unfinished.push(format!("agent {}: {error}", agent.uid));
        }
        stage.notebook.write(&agent.uid, Event::End);
    }
    let read = (0..stage.scenes.len()).map(|at| stage.read_history(at, &agents[at % agents.len()]));
    let read: Vec<_> = read.collect();
    let unread: Vec<_> = stream::iter(read).buffer_unordered(agents.len()).collect().await;
    unfinished.extend(unread.into_iter().filter_map(|read| read.err().map(|error| format!("history: {error}"))));
    Ok(Outcome { verdict: stage.notebook.judge(), unfinished })
}

/// A buyer's uid, from the dialogue's id as far as uids allow.
fn uid_of(run: &str, at: usize, id: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_.:@-".contains(c) { c } else { '-' };
    let id: String = id.chars().take(64).map(allowed).collect();
    format!("buyer:{run}:{at}:{id}")
}

/// After the answer to a ping, everything that was written to the session before is here.
async fn settle(client: &Client) -> Result<(), ClientError> {
    client.ask(json!({"type": "ping"})).await.map(drop)
}

impl Stage {
    async fn login(self: &Arc<Self>, target: &Target, uid: &str) -> Result<Arc<Client>, ClientError> {
        let (stage, receiver) = (Arc::clone(self), Arc::<str>::from(uid));
        self.notebook.write(&receiver, Event::Open { user: Arc::clone(&receiver), node: "server".into() });
        let client = target.login(uid, move |delivery| stage.deliver(&receiver, delivery)).await?;
        self.meter.connected();
        Ok(client)
    }

    async fn play(
        self: &Arc<Self>,
        target: &Target,
        at: usize,
        turns: &[super::dialogues::Turn],
        agent: &Client,
    ) -> Result<(), ClientError> {
        let buyer = self.login(target, &self.scenes[at].buyer).await?;
        let result = self.turns(at, turns, &buyer, agent).await;
        self.notebook.write(&buyer.uid, Event::End);
        result
    }

    async fn turns(
        &self,
        at: usize,
        turns: &[super::dialogues::Turn],
        buyer: &Client,
        agent: &Client,
    ) -> Result<(), ClientError> {
        let scene = &self.scenes[at];
        for turn in turns {
            let (speaker, listener) = match turn.side {
                Side::Buyer => (buyer, agent),
                Side::Agent => (agent, buyer),
            };
            let number = self.say(at, speaker, &turn.text).await?;
            self.arrival(scene, &listener.uid, number).await?;
            if number == 0 {
                self.claim(at, agent).await?;
            }
        }
        settle(buyer).await
    }

    async fn claim(&self, at: usize, agent: &Client) -> Result<(), ClientError> {
        let conversation = self.scenes[at].conversation.get().copied().unwrap_or_default();
        let id: Arc<str> = format!("{}.{at}.claim", self.run).into();
        self.notebook.write(&agent.uid, Event::Asked { id: Arc::clone(&id), deed: Deed::Claim, conversation });
        let ok = agent.ask(json!({"type": "claim", "id": &*id, "conversation": conversation})).await?;
        let told = &ok["conversation"];
        let text = |value: &Value| value.as_str().map(Arc::from);
        let summary = Summary {
            conversation,
            claim_version: told["claim_version"].as_u64().unwrap_or_default(),
            state: text(&told["state"]),
            claimed_by: text(&told["claimed_by"]["uid"]),
            last_seq: told["last_seq"].as_u64().unwrap_or_default(),
        };
        self.notebook.write(&agent.uid, Event::Agreed { id, summary });
        Ok(())
    }

    /// Says one turn, up to its ack; gives its number.
    async fn say(&self, at: usize, speaker: &Client, text: &Arc<str>) -> Result<usize, ClientError> {
        let scene = &self.scenes[at];
        let to =
            scene.conversation.get().map_or_else(|| To::Shop(self.shop.as_str().into()), |id| To::Conversation(*id));
        speaker.pause().await;
        let sent = Instant::now();
        let turn = {
            let mut state = scene.lock();
            state.sent.push(sent);
            state.sent.len() - 1
        };
        self.meter.sent();
        let id: Arc<str> = format!("{}.{at}.{turn}", self.run).into();
        let frame = json!({"type": "send", "id": &*id, "to": to, "content": {"kind": "text", "text": &**text}});
        self.notebook.write(&speaker.uid, Event::Sent { id: Arc::clone(&id), to, text: Arc::clone(text) });
        let ok = speaker.ask(frame).await?;
        self.meter.acked(sent.elapsed());
        let number = |key: &str| ok[key].as_u64().unwrap_or_default();
        let (conversation, seq) = (number("conversation"), number("seq"));
        let acked = Event::Acked { id, conversation, seq, duplicate: ok["duplicate"] == true };
        self.notebook.write(&speaker.uid, acked);
        scene.conversation.get_or_init(|| conversation);
        Ok(turn)
    }

    /// Waits until `receiver` has been given the turn.
    async fn arrival(&self, scene: &Scene, receiver: &str, turn: usize) -> Result<(), ClientError> {
        let arrived = async {
            // `notify_one` keeps its permit: an arrival between the look and the wait is not missed.
            let wanted = (Arc::from(receiver), turn);
            while !scene.lock().arrived.contains(&wanted) {
                scene.arrived.notified().await;
            }
        };
        let silent = |_| ClientError::Silent(format!("turn {turn} at {receiver}"));
        timeout(PATIENCE, arrived).await.map_err(silent)
    }

    /// The dialogue and the turn that a `client_id` names.
    fn place_of(&self, client_id: &str) -> Option<(usize, usize)> {
        let (at, turn) = client_id.strip_prefix(&self.run)?.strip_prefix('.')?.split_once('.')?;
        let (at, turn) = (at.parse().ok()?, turn.parse().ok()?);
        (at < self.scenes.len()).then_some((at, turn))
    }

    fn deliver(&self, receiver: &Arc<str>, delivery: Delivery) {
        let Delivery { conversation, message, redelivered } = delivery;
        let place = self.place_of(&message.id);
        self.notebook.write(receiver, Event::Received { conversation, message, redelivered });
        let Some((at, turn)) = place else { return };
        let scene = &self.scenes[at];
        let mut state = scene.lock();
        let first = state.arrived.insert((Arc::clone(receiver), turn));
        if let Some(sent) = state.sent.get(turn).filter(|_| first) {
            self.meter.delivered(sent.elapsed());
        }
        drop(state);
        scene.arrived.notify_one();
    }

    /// Reads the whole record of a conversation, page by page, as the agent sees it.
    async fn read_history(&self, at: usize, agent: &Client) -> Result<(), ClientError> {
        let Some(conversation) = self.scenes[at].conversation.get().copied() else { return Ok(()) };
        let mut messages: Vec<Message> = Vec::new();
        loop {
            let after = messages.last().map_or(0, |last| last.seq);
            let ask = json!({"type": "history", "conversation": conversation, "after": after, "limit": PAGE});
            let page = agent.ask(ask).await?;
            let more = page["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
            messages.extend(more.iter().map(client::message));
            if page["more"] != true || more.is_empty() {
                break;
            }
        }
        self.notebook.write(&agent.uid, Event::Record { conversation, messages });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::is_name;

    #[test]
    fn a_buyers_uid_is_one_whatever_the_dialogue_is_called() {
        assert_eq!(uid_of("00c0ffee", 7, "crosswoz-1"), "buyer:00c0ffee:7:crosswoz-1");
        assert!(is_name(&uid_of("00c0ffee", 7, &"长 id/".repeat(100))));
    }
}
