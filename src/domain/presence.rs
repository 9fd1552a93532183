//! Who is there, told only when it has been so for a while: a reloaded page is no news.

use std::collections::HashMap;

use super::{ids::UserId, people::Status};

/// Whose presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    User(UserId),
    Shop,
}

/// Whether somebody is there, and for an agent whether it takes new conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    pub online: bool,
    pub status: Option<Status>,
}

/// A state that has been noted, to be looked at again after the delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    of: Of,
    version: u64,
}

#[derive(Debug)]
struct Entry {
    now: Presence,
    told: Option<Presence>,
    version: u64,
}

/// The presence of everybody who has to do with a shop.
#[derive(Debug, Default)]
pub struct Presences(HashMap<Of, Entry>);

impl Presences {
    /// Notes a state; `None` where it is no other than before.
    pub fn note(&mut self, of: Of, now: Presence) -> Option<Noted> {
        let entry = self.0.entry(of).or_insert(Entry { now, told: None, version: 0 });
        if entry.version > 0 && entry.now == now {
            return None;
        }
        entry.now = now;
        entry.version += 1;
        Some(Noted { of, version: entry.version })
    }

    /// Notes a state that may be as old as it is new: that somebody is not there is no news then.
    pub fn learn(&mut self, of: Of, now: Presence) -> Option<Noted> {
        if now.online || self.0.contains_key(&of) {
            return self.note(of, now);
        }
        self.0.insert(of, Entry { now, told: Some(now), version: 1 });
        None
    }

    /// What is to be told now that a noted state is as old as the delay: nothing if it has changed since, or was told before.
    pub fn due(&mut self, noted: Noted) -> Option<(Of, Presence)> {
        let entry = self.0.get_mut(&noted.of)?;
        if entry.version != noted.version || entry.told == Some(entry.now) {
            return None;
        }
        entry.told = Some(entry.now);
        Some((noted.of, entry.now))
    }

    /// What has last been told of somebody; of whom nothing is known is not there.
    pub fn told(&self, of: Of) -> Option<Presence> {
        match self.0.get(&of) {
            Some(entry) => entry.told,
            None => Some(Presence { online: false, status: None }),
        }
    }

    pub fn forget(&mut self, of: Of) {
        self.0.remove(&of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Of = Of::User(UserId(1));

    fn online(online: bool) -> Presence {
        Presence { online, status: None }
    }

    #[test]
    fn only_what_has_lasted_is_told_and_only_once() {
        let mut presences = Presences::default();
        let came = presences.note(ANN, online(true)).unwrap();
        assert_eq!(presences.note(ANN, online(true)), None, "no change");
        assert_eq!(presences.due(came), Some((ANN, online(true))));
        let went = presences.note(ANN, online(false)).unwrap();
        let back = presences.note(ANN, online(true)).unwrap();
        assert_eq!(presences.due(went), None, "came back in time");
        assert_eq!(presences.due(back), None, "as was told");
        let went = presences.note(ANN, online(false)).unwrap();
        assert_eq!(presences.due(went), Some((ANN, online(false))));
        presences.forget(ANN);
        assert_eq!(presences.told(ANN), Some(online(false)));
    }

    #[test]
    fn absence_that_is_learned_is_no_news() {
        let mut presences = Presences::default();
        assert_eq!(presences.learn(ANN, online(false)), None);
        let came = presences.learn(ANN, online(true)).unwrap();
        assert_eq!(presences.due(came), Some((ANN, online(true))));
    }
}
