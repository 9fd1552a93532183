//! What the database takes by itself: the statements with which the journal stores messages, in batches of a given size, with nothing
//! around them: no decisions, no actors, no sockets.
//!
//! `cargo run --release --example bare_database -- URL ROWS LANES SECONDS` on a fresh database; prints rows a second.

use std::{
    collections::BTreeSet,
    env,
    error::Error,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use shopbell::{
    domain::{
        command::Message,
        conversation::{Conversation, Parties, Standing},
        ids::{ConversationId, ShopId, Timestamp},
        people::{Person, Role, Shop},
    },
    store::{
        agents, conversations,
        journal::{Rows, write},
        location::Location,
        messages::{self, New},
        migrate::migrate,
        people::People,
        shops, users,
    },
};

/// As many as in the run beside which this figure stands.
const CONVERSATIONS: usize = 200;
const CONTENT: &str = r#"{"kind":"text","text":"Hello, I ordered the blue jacket in size M last Tuesday and the parcel still has not arrived. Could you please check where it is? The tracking page only says that it left the warehouse in Rotterdam."}"#;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let usage = "bare_database URL ROWS LANES SECONDS";
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [url, rows, lanes, seconds] = &arguments[..] else { return Err(usage.into()) };
    let (rows, lanes): (usize, usize) = (rows.parse()?, lanes.parse()?);
    let time = Duration::from_secs_f64(seconds.parse()?);
    let location = Location::parse(url)?;
    let conversations = open(&location)?;
    let each = conversations.len().div_ceil(lanes);
    let start = Instant::now();
    let stored: Result<Vec<usize>, Failure> = thread::scope(|scope| {
        let lanes: Vec<_> =
            conversations.chunks(each).map(|own| scope.spawn(|| fill(&location, own.to_vec(), rows, time))).collect();
        lanes.into_iter().map(|lane| lane.join().map_err(|_| Failure::from("a lane has died"))?).collect()
    });
    println!("{:.0}", stored?.into_iter().sum::<usize>() as f64 / start.elapsed().as_secs_f64());
    Ok(())
}

/// A shop, its agent, and claimed conversations.
fn open(location: &Location) -> Result<Vec<Conversation>, Failure> {
    let mut db = location.writer()?;
    migrate(&mut db)?;
    let now = Timestamp(1);
    let mut person =
        |uid: &str| -> Result<Arc<Person>, Failure> { Ok(users::refresh(&mut db, uid, None, None, now)?.person()) };
    let agent = person("agent")?;
    let buyers: Vec<_> = (0..CONVERSATIONS).map(|n| person(&format!("buyer:{n}"))).collect::<Result<_, _>>()?;
    let id = shops::insert(&mut db, "acme", "Acme", "[]", now)?.ok_or("the database is not fresh")?.id;
    let shop = Arc::new(Shop { id: ShopId(id), shop: "acme".into(), name: "Acme".into() });
    agents::insert(&mut db, shop.id, agent.id, Role::Agent, None, now)?;
    let numbers = conversations::numbers(&mut db, None, CONVERSATIONS)?;
    let open = |(id, buyer): (ConversationId, Arc<Person>)| {
        Conversation::new(id, Parties::Support { shop: Arc::clone(&shop), buyer }, now)
    };
    let opened: Vec<Conversation> = numbers.into_iter().zip(buyers).map(open).collect();
    let rows = Rows { opened: opened.iter().cloned().map(Arc::new).collect(), ..Rows::default() };
    db.write(|db| write(db, &rows))?;
    Ok(opened)
}

/// Writes batches of messages of these conversations, each of them in turn; gives how many messages.
fn fill(location: &Location, mut own: Vec<Conversation>, rows: usize, time: Duration) -> Result<usize, Failure> {
    let (mut db, mut people, start) = (location.writer()?, People::default(), Instant::now());
    let mut stored = 0;
    while start.elapsed() < time {
        let mut batch = Rows::default();
        let mut touched = BTreeSet::new();
        for n in stored..stored + rows {
            let at = n % own.len();
            let conversation = &mut own[at];
            let buyer = Arc::clone(conversation.first_person());
            let placed = conversation
                .send(buyer.id, Standing::Buyer, Timestamp(n as i64))
                .map_err(|refusal| format!("{refusal:?}"))?;
            touched.insert(at);
            let message = Message {
                conversation: conversation.id,
                seq: placed.seq,
                shop: conversation.shop().map(|shop| Arc::clone(&shop.shop)),
                from: buyer,
                speaker: placed.speaker,
                side: placed.side,
                content: CONTENT.into(),
                client_id: format!("{:08x}.{at}.{n}", (n as u32).wrapping_mul(0x9e37_79b9)).into(),
                at: Timestamp(n as i64),
            };
            batch.messages.push(New { message: Arc::new(message), digest: [7; 16] });
        }
        batch.messages.sort_by_key(|new| (new.message.conversation, new.message.seq));
        batch.changed = touched.iter().map(|at| Arc::new(own[*at].clone())).collect();
        let ids: BTreeSet<ConversationId> = batch.changed.iter().map(|conversation| conversation.id).collect();
        let keys = batch.messages.iter().map(|new| (new.message.from.id, Arc::clone(&new.message.client_id))).collect();
        db.write(|db| {
            conversations::take(db, &mut people, &ids, &[])?;
            messages::by_keys(db, &keys)?;
            write(db, &batch)
        })?;
        stored += rows;
    }
    Ok(stored)
}
