//! The table of the contract's section 3, cell by cell: what an agent of the shop may do to a conversation, by its
//! state and the agent's role, over the socket and over REST.

use shopbell_harness::{Person, Rest, TestNode, Value, json};

/// How the conversation stands when the agent does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Waiting,
    Mine,
    Anothers,
    Resolved,
}

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The conversation is claimed by the one who asked.
    ClaimedByMe,
    /// The conversation is claimed by the one it was transferred to.
    ClaimedByColleague,
    /// It waits.
    Waits,
    /// It is resolved.
    Resolved,
    /// A message was stored; the conversation stands as before.
    Said,
    /// Nothing changed, and this code.
    Refused(&'static str),
}

use Outcome::{ClaimedByColleague, ClaimedByMe, Refused, Said, Waits};
use Standing::{Anothers, Mine, Waiting};

const STANDINGS: [Standing; 4] = [Waiting, Mine, Anothers, Standing::Resolved];
const COMMANDS: [&str; 5] = ["claim", "release", "transfer", "resolve", "send"];

/// The table. Refusals of `send` do not depend on the role; what supervisors and admins may do is the same.
fn outcome(command: &str, standing: Standing, supervises: bool) -> Outcome {
    match (command, standing) {
        ("claim", Anothers) => Refused("already_claimed"),
        ("claim", _) => ClaimedByMe,
        ("send", Mine) => Said,
        (_, Standing::Resolved) => Refused("not_claimed"),
        ("send", Anothers) => Refused("not_claimant"),
        ("send", Waiting) => Refused("not_claimed"),
        (_, Waiting) if !supervises => Refused("not_claimed"),
        (_, Anothers) if !supervises => Refused("not_claimant"),
        ("release", _) => Waits,
        ("transfer", _) => ClaimedByColleague,
        _ => Outcome::Resolved,
    }
}

/// Shop `acme` with one agent of each role, a colleague to transfer to, and another who claims first where a cell
/// wants it.
struct Table {
    node: TestNode,
    other: Rest,
    buyers: usize,
}

impl Table {
    async fn set() -> (Self, Vec<(Person, bool)>) {
        let node = TestNode::start().await;
        node.shop("acme").await;
        let agents = vec![
            (node.agent("acme", "agent").await, false),
            (node.supervisor("acme", "supervisor").await, true),
            (node.admin("acme", "admin").await, true),
        ];
        for uid in ["other", "colleague"] {
            node.employ("acme", uid, "agent").await;
        }
        let other = node.rest("other");
        (Self { node, other, buyers: 0 }, agents)
    }

    /// A fresh conversation in this standing towards `agent`.
    async fn conversation(&mut self, standing: Standing, agent: &Person) -> u64 {
        self.buyers += 1;
        let buyer = self.node.rest(&format!("buyer-{}", self.buyers));
        let hi = json!({"id": "1", "to": {"shop": "acme"}, "content": {"kind": "text", "text": "hi"}});
        let opened = buyer.post("/messages", hi).await.expect(201);
        let conversation = opened["conversation"].as_u64().expect("a conversation");
        let steps: &[(&Rest, &str)] = match standing {
            Waiting => &[],
            Mine => &[(&agent.rest, "claim")],
            Anothers => &[(&self.other, "claim")],
            Standing::Resolved => &[(&self.other, "claim"), (&self.other, "resolve")],
        };
        for (who, step) in steps {
            who.post(&format!("/conversations/{conversation}/{step}"), json!({})).await.expect(200);
        }
        conversation
    }
}

/// Checks the summary after a command against the cell; `before` is the summary before it.
async fn check(cell: &str, outcome: Outcome, agent: &Person, conversation: u64, before: &Value) {
    let after = agent.summary(conversation).await;
    let (state, claimed_by) = match outcome {
        ClaimedByMe => ("claimed", json!(agent.uid)),
        ClaimedByColleague => ("claimed", json!("colleague")),
        Waits => ("waiting", Value::Null),
        Outcome::Resolved => ("resolved", Value::Null),
        Said | Refused(_) => (before["state"].as_str().expect("a state"), before["claimed_by"]["uid"].clone()),
    };
    assert_eq!((&after["state"], &after["claimed_by"]["uid"]), (&json!(state), &claimed_by), "{cell}: {after}");
    let changed = after["claimed_by"]["uid"] != before["claimed_by"]["uid"];
    let version = before["claim_version"].as_u64().expect("a version") + u64::from(changed);
    assert_eq!(after["claim_version"], json!(version), "{cell}: {before} became {after}");
    let said = u64::from(outcome == Said);
    assert_eq!(after["last_seq"], json!(1 + said), "{cell}: what was refused is not stored");
}

/// What an `already_claimed` or `not_claimant` must name.
fn names_the_claimant(cell: &str, code: &str, refusal: &Value) {
    if code != "not_claimed" {
        assert_eq!(refusal["claimed_by"]["uid"], "other", "{cell}: {refusal}");
    }
}

#[tokio::test]
async fn every_cell_over_the_socket() {
    let (mut table, agents) = Table::set().await;
    for (mut agent, supervises) in agents {
        for standing in STANDINGS {
            for command in COMMANDS {
                let cell = format!("{command} by {} when {standing:?}", agent.uid);
                let conversation = table.conversation(standing, &agent).await;
                let before = agent.summary(conversation).await;
                let frame = match command {
                    "send" => json!({"type": "send", "to": {"conversation": conversation},
                        "content": {"kind": "text", "text": "here I am"}}),
                    "transfer" => json!({"type": "transfer", "conversation": conversation, "to": "colleague"}),
                    _ => json!({"type": command, "conversation": conversation}),
                };
                let outcome = outcome(command, standing, supervises);
                match outcome {
                    Refused(code) => names_the_claimant(&cell, code, &agent.refused(frame, code).await),
                    _ => {
                        let reply = agent.ok(frame).await;
                        if outcome != Said {
                            let summary = agent.summary(conversation).await;
                            assert_eq!(reply["conversation"]["state"], summary["state"], "{cell}: {reply}");
                            assert_eq!(reply["conversation"]["claim_version"], summary["claim_version"], "{cell}");
                        }
                    }
                }
                check(&cell, outcome, &agent, conversation, &before).await;
            }
        }
    }
}

#[tokio::test]
async fn every_cell_over_rest() {
    let (mut table, agents) = Table::set().await;
    for (agent, supervises) in agents {
        for standing in STANDINGS {
            for command in COMMANDS {
                let cell = format!("{command} by {} when {standing:?}", agent.uid);
                let conversation = table.conversation(standing, &agent).await;
                let before = agent.summary(conversation).await;
                let answer = match command {
                    "send" => {
                        let body = json!({"id": format!("rest-{cell}"), "to": {"conversation": conversation},
                            "content": {"kind": "text", "text": "here I am"}});
                        agent.rest.post("/messages", body).await
                    }
                    "transfer" => {
                        let path = format!("/conversations/{conversation}/transfer");
                        agent.rest.post(&path, json!({"to": "colleague"})).await
                    }
                    _ => agent.rest.post(&format!("/conversations/{conversation}/{command}"), json!({})).await,
                };
                let outcome = outcome(command, standing, supervises);
                match outcome {
                    Refused(code) => names_the_claimant(&cell, code, &answer.refused(409, code)),
                    Said => assert_eq!(answer.expect(201)["seq"], 2, "{cell}"),
                    _ => {
                        let summary = answer.expect(200);
                        assert_eq!(summary["id"], json!(conversation), "{cell}: {summary}");
                    }
                }
                check(&cell, outcome, &agent, conversation, &before).await;
            }
        }
    }
}
