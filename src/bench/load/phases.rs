//! What happens in a run, one after the other.

use std::time::Duration;

use super::{
    Generator, Kind, LoadError, Outcome, Plan,
    clock::{busy, micros, pin},
    engine::Engine,
    people::{Cast, Part, State},
};
use crate::bench::{
    cpu::{self, Usage},
    target::Door,
};

/// So many connections, first messages and records are under way at a time.
const ABREAST: usize = 200;
/// How long a phase without an end of its own may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the server has to come to rest before its memory is looked at.
const STEADY: Duration = Duration::from_secs(2);
/// How long it is watched whether the server recovers.
const WATCHED: Duration = Duration::from_secs(10);
/// How long it is waited for what may come twice.
const SECOND_THOUGHT: Duration = Duration::from_millis(200);

/// Everybody comes, the conversations are opened, all talk; what is under way comes to its end, and the records are read.
///
/// # Errors
/// [`LoadError`]
pub fn run(door: Door, plan: Plan, cast: Cast) -> Result<Outcome, LoadError> {
    if let Some(core) = plan.core {
        pin(core)?;
    }
    let mut engine = Engine::new(door, plan, cast)?;
    let (away, served) = (engine.plan.away, engine.plan.buyers);
    engine.gather(|part| match part {
        Part::Agent { shop, .. } => shop < served,
        Part::Peer { .. } => !away,
        Part::Speaker { .. } => true,
        Part::Idle => false,
    })?;
    let idle_bytes = engine.gather_idle()?;
    engine.open()?;
    let measured = engine.talk()?;
    let recovery = engine.recover()?;
    if engine.plan.away {
        engine.logins.reset();
        engine.gather(|part| matches!(part, Part::Peer { .. }))?;
    }
    engine.settle()?;
    if engine.plan.kind != Kind::Echo {
        engine.read_records()?;
    }
    engine.ledger.close();
    Ok(Outcome { idle_bytes, recovery_seconds: recovery, ..engine.outcome(measured) })
}

/// What was measured around the talking.
struct Measured {
    before: Usage,
    after: Usage,
    share: f64,
    storm: Option<f64>,
    seconds: f64,
}

impl Engine {
    /// Lets in those who are wanted.
    fn gather(&mut self, wanted: impl Fn(Part) -> bool) -> Result<(), LoadError> {
        let missing = (0..self.people.len() as u32).filter(|at| {
            let person = &self.people[*at as usize];
            person.state == State::Away && wanted(person.part)
        });
        let mut missing: Vec<u32> = missing.collect();
        // Those who listen are there before those who speak.
        missing.reverse();
        let all = self.here + self.coming + missing.len();
        self.until("logging in", |engine| {
            while engine.coming < ABREAST {
                let Some(person) = missing.pop() else { break };
                engine.come(person);
            }
            engine.here == all
        })
    }

    /// Lets in those who are idle, and gives what the server's memory grows by for each of them.
    fn gather_idle(&mut self) -> Result<Option<f64>, LoadError> {
        if self.plan.idle == 0 {
            return Ok(None);
        }
        let resident = |engine: &Self| engine.plan.server.and_then(cpu::resident);
        let before = resident(self);
        self.gather(|part| part == Part::Idle)?;
        self.rest(STEADY)?;
        let grown = before.zip(resident(self)).map(|(before, after)| after as f64 - before as f64);
        Ok(grown.map(|bytes| bytes / f64::from(self.plan.idle)))
    }

    /// Each buyer's first message, and the claims; none of it is still under way when something is measured.
    fn open(&mut self) -> Result<(), LoadError> {
        let mut begun = 0;
        self.until("opening conversations", |engine| {
            while (begun as usize) < engine.scenes.len() && (begun as usize) < engine.opened + ABREAST {
                let talk = begun;
                begun += 1;
                engine.with_wire(engine.scenes[talk as usize].speaker, |engine, wire| {
                    let now = engine.clock.now();
                    engine.say_next(wire, talk, now);
                });
            }
            engine.opened == engine.scenes.len()
        })?;
        // Who is away is given it later.
        self.until("first messages", |engine| engine.plan.away || engine.ledger.owed() == (0, 0))
    }

    fn talk(&mut self) -> Result<Measured, LoadError> {
        let start = self.clock.now() + micros(self.plan.warmup);
        let end = start.saturating_add(micros(self.plan.time));
        let middle = start + (end - start) / 2;
        let all = self.here;
        self.measured = (start, end);
        self.begin();
        while self.clock.now() < start && !self.has_said_all() {
            self.turn(start)?;
        }
        let (before, worked) = (self.usage(), busy());
        let mut storm = None;
        while self.clock.now() < end && !self.has_said_all() {
            if self.plan.storm && storm.is_none() && self.clock.now() >= middle {
                storm = Some(self.storm());
            }
            self.turn(if self.plan.storm && storm.is_none() { middle } else { end })?;
        }
        // Everything may have been said before.
        let now = self.clock.now().max(start + 1);
        self.measured.1 = now;
        let seconds = (now - start) as f64 / 1e6;
        let measured =
            Measured { before, after: self.usage(), share: (busy() - worked) / seconds, storm: None, seconds };
        self.end();
        if let Some(begun) = storm {
            self.until("the storm", |engine| engine.here == all)?;
            return Ok(Measured { storm: Some((self.last_came - begun) as f64 / 1e6), ..measured });
        }
        Ok(measured)
    }

    /// Goes on at another rate, where that is wanted, and gives how long it takes until all is well, in seconds.
    fn recover(&mut self) -> Result<Option<f64>, LoadError> {
        let Some(rate) = self.plan.then else { return Ok(None) };
        self.plan.rate = rate;
        self.watched = self.clock.now();
        self.begin();
        self.rest(WATCHED)?;
        self.end();
        let owed = |engine: &mut Self| engine.ledger.owed().0 == 0;
        self.until("recovering", owed)?;
        Ok(Some(self.slow_until.saturating_sub(self.watched) as f64 / 1e6))
    }

    /// Goes on for a while.
    fn rest(&mut self, time: Duration) -> Result<(), LoadError> {
        let end = self.clock.now() + micros(time);
        while self.clock.now() < end {
            self.turn(end)?;
        }
        Ok(())
    }

    fn has_said_all(&self) -> bool {
        let said = |most| self.scenes.iter().all(|scene| scene.sent >= most && scene.in_flight == 0);
        self.plan.messages.is_some_and(said)
    }

    /// All idle ones lose their connections, and come back at once. When that was.
    fn storm(&mut self) -> u64 {
        self.logins.reset();
        let idle: Vec<u32> =
            (0..).zip(&self.people).filter(|(_, person)| person.part == Part::Idle).map(|(at, _)| at).collect();
        idle.iter().for_each(|person| self.leave(*person));
        let now = self.clock.now();
        idle.iter().for_each(|person| self.come(*person));
        now
    }

    /// Everything gets its answer, and arrives.
    fn settle(&mut self) -> Result<(), LoadError> {
        let end = self.clock.now() + micros(self.plan.settle);
        while self.ledger.owed() != (0, 0) && self.clock.now() < end {
            self.turn(self.clock.now() + 20_000)?;
        }
        // A little longer, for what comes twice.
        self.rest(SECOND_THOUGHT)
    }

    fn read_records(&mut self) -> Result<(), LoadError> {
        self.records = vec![Vec::new(); self.scenes.len()];
        let mut asked = 0;
        self.until("reading the records", |engine| {
            while asked < engine.scenes.len() && asked < engine.recorded + ABREAST / 10 {
                engine.read_record(asked as u32);
                asked += 1;
            }
            engine.recorded == engine.scenes.len()
        })
    }

    /// Turns until something is done.
    fn until(&mut self, what: &'static str, mut done: impl FnMut(&mut Self) -> bool) -> Result<(), LoadError> {
        let end = self.clock.now() + micros(PATIENCE);
        while !done(self) {
            let now = self.clock.now();
            if now >= end {
                let why = self.endings.iter().chain(&self.ledger.details).next().cloned().unwrap_or_default();
                return Err(LoadError::Stuck(what, PATIENCE, why));
            }
            self.turn(end.min(now + 100_000))?;
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage::now(self.plan.server, &self.plan.beside)
    }

    fn outcome(mut self, measured: Measured) -> Outcome {
        let Measured { before, after, share, storm, seconds } = measured;
        self.figures.counts.connections = self.here as u64;
        Outcome {
            seconds,
            before,
            after,
            unanswered: self.ledger.owed().0,
            repeats: self.ledger.repeats,
            faults: self.ledger.faults,
            judged: self.ledger.judged,
            details: self.ledger.details,
            figures: self.figures,
            refused: self.refused,
            refused_without_time: self.refused_without_time,
            refused_but_stored: self.ledger.refused_but_stored,
            ended: self.ended,
            endings: self.endings,
            logins: self.logins,
            storm_seconds: storm,
            recovery_seconds: None,
            idle_bytes: None,
            batch_entries: None,
            generator: Generator { share, lag: self.lag },
            samples: self.samples,
        }
    }
}
