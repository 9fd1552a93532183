//! The loop: reads what has come, answers it, does what is due, and waits.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use super::{
    Kind, LoadError, Plan, Sample,
    clock::{Alarm, Clock},
    frames::Pen,
    ledger::Ledger,
    people::{Cast, Part, Person, Scene, State},
    texts::Texts,
    wire::{Ended, Heard, Wire, upgrade},
};
use crate::bench::{cpu, meter::Figures, progress::Line, target::Door};

/// How long acks wait for company, in microseconds, as those of our own client; and how many messages make them go at once.
const ACK_DELAY: u64 = 25_000;
pub const ACK_AFTER: usize = 64;
/// How long somebody whose connection has ended stays away, in microseconds.
const RETURN: u64 = 200_000;
const SECOND: u64 = 1_000_000;
/// So many endings are told in words.
const TOLD: usize = 10;
const ALARM: Token = Token(usize::MAX);

pub struct Engine {
    pub plan: Plan,
    pub door: Door,
    pub people: Vec<Person>,
    pub scenes: Vec<Scene>,
    pub shops: Vec<String>,
    pub ledger: Ledger,
    pub clock: Clock,
    /// What is measured, from when to when.
    pub figures: Figures,
    pub measured: (u64, u64),
    /// From when on it is watched whether all is well, and when the last message was due for which it was not.
    pub watched: u64,
    pub slow_until: u64,
    pub lag: Histogram<u64>,
    pub logins: Histogram<u64>,
    pub coming: usize,
    pub here: usize,
    /// When somebody came last.
    pub last_came: u64,
    pub opened: usize,
    pub speaking: bool,
    pub refused: u64,
    pub refused_without_time: u64,
    pub ended: u64,
    pub endings: Vec<String>,
    pub samples: Vec<Sample>,
    /// What has been read of each talk's record: seq and number.
    pub records: Vec<Vec<(u32, u32)>>,
    pub recorded: usize,
    /// Messages that have an answer, over the whole run.
    pub answered: u64,
    /// The schedule: when the next message is due, whose it is, and how many there have been.
    pub next_due: u64,
    schedule_start: u64,
    scheduled: u64,
    churned: u64,
    next_churn: u64,
    poll: Poll,
    events: Events,
    alarm: Alarm,
    buffer: Vec<u8>,
    pub pen: Pen,
    pub texts: Texts,
    acks: VecDeque<(u64, u32)>,
    retries: BinaryHeap<Reverse<(u64, u32, u32)>>,
    returns: BinaryHeap<Reverse<(u64, u32)>>,
    line: Line,
    next_second: u64,
    last_second: (u64, u64),
}

impl Engine {
    pub fn new(door: Door, plan: Plan, cast: Cast) -> Result<Self, LoadError> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        let figures = Figures::new()?;
        let mut ledger = Ledger::default();
        for _ in &cast.scenes {
            ledger.open(match plan.kind {
                Kind::Waiting => plan.agents as usize,
                Kind::Claimed | Kind::Direct => 1,
                Kind::Echo => 0,
            });
        }
        Ok(Self {
            texts: Texts::new(plan.bytes),
            people: cast.people,
            scenes: cast.scenes,
            shops: cast.shops,
            ledger,
            clock: Clock::start(),
            measured: (u64::MAX, u64::MAX),
            watched: u64::MAX,
            slow_until: 0,
            lag: figures.ack.clone(),
            logins: figures.ack.clone(),
            figures,
            coming: 0,
            here: 0,
            last_came: 0,
            opened: 0,
            speaking: false,
            refused: 0,
            refused_without_time: 0,
            ended: 0,
            endings: Vec::new(),
            samples: Vec::new(),
            records: Vec::new(),
            recorded: 0,
            answered: 0,
            next_due: u64::MAX,
            schedule_start: 0,
            scheduled: 0,
            churned: 0,
            next_churn: u64::MAX,
            poll,
            events: Events::with_capacity(1_024),
            alarm,
            buffer: vec![0; 256 << 10],
            pen: Pen::default(),
            acks: VecDeque::new(),
            retries: BinaryHeap::new(),
            returns: BinaryHeap::new(),
            line: Line::new(),
            next_second: SECOND,
            last_second: (0, 0),
            plan,
            door,
        })
    }

    /// One round of the loop, which waits until `until` at the longest.
    pub fn turn(&mut self, until: u64) -> Result<(), LoadError> {
        let now = self.clock.now();
        let next = [
            Some(until),
            Some(self.next_second),
            Some(self.next_due),
            Some(self.next_churn),
            self.acks.front().map(|(due, _)| *due),
            self.retries.peek().map(|Reverse((due, ..))| *due),
            self.returns.peek().map(|Reverse((due, _))| *due),
        ];
        let next = next.into_iter().flatten().min().unwrap_or(until);
        let wait = match next.saturating_sub(now) {
            0 => Duration::ZERO,
            wait => self.alarm.set(Duration::from_micros(wait))?,
        };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => result?,
        }
        let woken = self.clock.now();
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in events.iter().filter(|event| event.token() != ALARM) {
            self.serve(event.token().0 as u32);
        }
        self.events = events;
        self.do_what_is_due();
        let now = self.clock.now();
        if self.is_measured(now) && self.plan.rate == 0 {
            self.lag.saturating_record((now - woken).max(1));
        }
        if now >= self.next_second {
            self.next_second = now + SECOND;
            self.tick(now);
        }
        Ok(())
    }

    fn do_what_is_due(&mut self) {
        let now = self.clock.now();
        while self.next_due <= now && self.speaking {
            let talk = (self.scheduled % self.scenes.len() as u64) as u32;
            self.scheduled += 1;
            if self.is_measured(self.next_due) {
                self.lag.saturating_record((self.clock.now() - self.next_due).max(1));
            }
            self.with_wire(self.scenes[talk as usize].speaker, |engine, wire| {
                engine.say_next(wire, talk, engine.next_due)
            });
            // Rounded for each anew, so that nothing adds up.
            self.next_due = self.schedule_start + self.scheduled * SECOND / u64::from(self.plan.rate.max(1));
        }
        while self.acks.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, person)) = self.acks.pop_front() {
                self.people[person as usize].acks = false;
                self.with_wire(person, |engine, wire| engine.ack(wire, person));
            }
        }
        while self.retries.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            if let Some(Reverse((_, talk, number))) = self.retries.pop() {
                self.ledger.again(talk, number);
                self.with_wire(self.scenes[talk as usize].speaker, |engine, wire| engine.say(wire, talk, number));
            }
        }
        while self.returns.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            if let Some(Reverse((_, person))) = self.returns.pop() {
                self.come(person);
            }
        }
        while self.next_churn <= now {
            let idle = u64::from(self.plan.idle);
            let person = (self.people.len() as u64 - idle + self.churned % idle) as u32;
            self.churned += 1;
            self.next_churn += SECOND / u64::from(self.plan.churn);
            if self.people[person as usize].state == State::Here {
                self.leave(person);
                self.come(person);
            }
        }
    }

    /// From now on people speak: on schedule, or as much as their windows hold.
    pub fn begin(&mut self) {
        let now = self.clock.now();
        self.speaking = true;
        (self.schedule_start, self.scheduled) = (now, 0);
        if self.plan.rate > 0 {
            self.next_due = now;
        } else {
            for talk in 0..self.scenes.len() as u32 {
                self.with_wire(self.scenes[talk as usize].speaker, |engine, wire| engine.fill_window(wire, talk));
            }
        }
        if self.plan.churn > 0 && self.plan.idle > 0 {
            self.next_churn = now;
        }
    }

    /// Nothing new is said any more.
    pub fn end(&mut self) {
        self.speaking = false;
        (self.next_due, self.next_churn) = (u64::MAX, u64::MAX);
    }

    pub fn is_measured(&self, at: u64) -> bool {
        (self.measured.0..self.measured.1).contains(&at)
    }

    /// Begins a connection.
    pub fn come(&mut self, person: u32) {
        let index = person as usize;
        let uid = &self.people[index].uid;
        let token = (self.plan.kind != Kind::Echo).then(|| self.door.token(uid)).transpose();
        let request = token.map(|token| upgrade(&self.door.authority, self.path(), token.as_deref()));
        let wire = request
            .map_err(|error| Ended(error.to_string()))
            .and_then(|request| Ok(Wire::connect(self.door.address, &request, self.poll.registry(), Token(index))?));
        let now = self.clock.now();
        self.coming += 1;
        let who = &mut self.people[index];
        (who.state, who.began) = (State::Coming, now);
        match wire {
            Ok(wire) => who.wire = Some(wire),
            Err(why) => self.has_ended(person, why),
        }
    }

    fn path(&self) -> &'static str {
        if self.plan.kind == Kind::Echo { "/" } else { "/ws" }
    }

    /// Ends a connection on purpose.
    pub fn leave(&mut self, person: u32) {
        self.is_away(person);
        if let Some(wire) = self.people[person as usize].wire.take() {
            wire.cut(self.poll.registry());
        }
    }

    /// Does something with a person's connection, if there is one, and writes what comes of it.
    pub fn with_wire(&mut self, person: u32, act: impl FnOnce(&mut Self, &mut Wire)) {
        let Some(mut wire) = self.people[person as usize].wire.take() else { return };
        act(self, &mut wire);
        let flushed = wire.flush();
        self.put_back(person, wire, flushed);
    }

    /// Reads all that has come to a person, does what it calls for, and writes.
    fn serve(&mut self, person: u32) {
        let Some(mut wire) = self.people[person as usize].wire.take() else { return };
        let served = self.read(person, &mut wire).and_then(|()| wire.flush());
        self.put_back(person, wire, served);
    }

    fn read(&mut self, person: u32, wire: &mut Wire) -> Result<(), Ended> {
        loop {
            let mut buffer = std::mem::take(&mut self.buffer);
            let filled = wire.fill(&mut buffer);
            self.buffer = buffer;
            // What came before the end is still heard.
            let now = self.clock.now();
            while let Some(heard) = wire.next()? {
                match heard {
                    Heard::Upgraded if self.plan.kind == Kind::Echo => self.is_here(person, wire),
                    Heard::Upgraded => {}
                    Heard::Text(text) => self.hear(person, wire, &text, now)?,
                }
            }
            if !filled? {
                return Ok(());
            }
        }
    }

    fn put_back(&mut self, person: u32, wire: Wire, went: Result<(), Ended>) {
        match went {
            Ok(()) => self.people[person as usize].wire = Some(wire),
            Err(why) => {
                wire.cut(self.poll.registry());
                self.has_ended(person, why);
            }
        }
    }

    /// A connection has ended by itself: its person comes back soon.
    fn has_ended(&mut self, person: u32, Ended(why): Ended) {
        self.is_away(person);
        self.ended += 1;
        if self.endings.len() < TOLD {
            self.endings.push(format!("{}: {why}", self.people[person as usize].uid));
        }
        self.returns.push(Reverse((self.clock.now() + RETURN, person)));
    }

    fn is_away(&mut self, person: u32) {
        let person = &mut self.people[person as usize];
        match person.state {
            State::Away => {}
            State::Coming => self.coming -= 1,
            State::Here => self.here -= 1,
        }
        person.state = State::Away;
        person.unacked.clear();
        person.waiting = 0;
    }

    /// Somebody is logged in and has been given what was missed: what has no answer is said again.
    pub fn is_here(&mut self, person: u32, wire: &mut Wire) {
        let index = person as usize;
        if self.people[index].state != State::Coming {
            return;
        }
        self.people[index].state = State::Here;
        self.coming -= 1;
        self.here += 1;
        self.last_came = self.clock.now();
        self.logins.saturating_record((self.last_came - self.people[index].began).max(1));
        if let Part::Speaker { talk } = self.people[index].part {
            for number in self.ledger.unanswered(talk) {
                self.ledger.again(talk, number);
                self.say(wire, talk, number);
            }
        }
    }

    /// An ack is due soon.
    pub fn ack_soon(&mut self, person: u32, now: u64) {
        if !std::mem::replace(&mut self.people[person as usize].acks, true) {
            self.acks.push_back((now + ACK_DELAY, person));
        }
    }

    /// A refused message is sent again later.
    pub fn retry(&mut self, due: u64, talk: u32, number: u32) {
        self.retries.push(Reverse((due, talk, number)));
    }

    fn tick(&mut self, now: u64) {
        let (then, answered) = std::mem::replace(&mut self.last_second, (now, self.answered));
        let rate = (self.answered - answered) as f64 * SECOND as f64 / (now - then) as f64;
        let ms = |quantile| self.figures.ack.value_at_quantile(quantile) as f64 / 1_000.0;
        self.line.say(&format!(
            "{:.0} s: {} here, {} acked, {rate:.0}/s, {} delivered, ack p50 {:.1} p99 {:.1} ms, {} refused, {} faults",
            now as f64 / SECOND as f64,
            self.here,
            self.answered,
            self.figures.counts.delivered,
            ms(0.5),
            ms(0.99),
            self.refused,
            self.ledger.faults.total(),
        ));
        let server = self.plan.server.filter(|_| self.is_measured(now));
        if let Some((resident, descriptors)) = server.and_then(|pid| cpu::resident(pid).zip(cpu::descriptors(pid))) {
            self.samples.push(Sample { seconds: now as f64 / SECOND as f64, resident, descriptors });
        }
    }
}
