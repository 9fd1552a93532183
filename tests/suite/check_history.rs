//! `shopbell check-history` judges logs, and its exit code says how (the contract's section 6).

use shopbell_harness::{History, TestNode, Value, json};

/// One message from b1 to a1, who may get it or not.
fn log(delivered: bool) -> History {
    let history = History::new();
    let message = json!({"seq": 1, "from": "b1", "role": "buyer", "id": "m1", "text": "hi"});
    for uid in ["b1", "a1"] {
        history.write(uid, json!({"event": "open", "user": uid, "node": "n1"}));
    }
    history.write("b1", json!({"event": "sent", "id": "m1", "to": {"shop": "acme"}, "text": "hi"}));
    history.write("b1", json!({"event": "acked", "id": "m1", "conversation": 1, "seq": 1, "duplicate": false}));
    let claimed = json!({"conversation": 1, "claim_version": 1, "state": "claimed", "claimed_by": "a1", "last_seq": 1});
    history.write("a1", merged(claimed, json!({"event": "told"})));
    if delivered {
        let arrival = json!({"event": "received", "conversation": 1, "redelivered": false});
        history.write("a1", merged(message.clone(), arrival));
    }
    history.write("a1", json!({"event": "record", "conversation": 1, "messages": [message]}));
    history.write("a1", json!({"event": "end"}));
    history
}

fn merged(mut one: Value, other: Value) -> Value {
    let fields = other.as_object().expect("an object").clone();
    one.as_object_mut().expect("an object").extend(fields);
    one
}

#[test]
fn a_good_run_is_good_and_a_bad_one_is_not() {
    let node = TestNode::builder_without_database();
    for (delivered, code, lost) in [(true, 0, 0), (false, 1, 1)] {
        let history = log(delivered);
        let path = history.path();
        let path = path.to_str().expect("a plain name");
        assert_eq!(history.verdict()["lost"], lost);
        let said = node.run(&["check-history", path]);
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.stdout.lines().any(|line| line.split_whitespace().eq(["lost", &lost.to_string()])), "{said:?}");
        assert_eq!(said.stdout.contains("came to no agent"), !delivered, "{said:?}");
    }
}

#[test]
fn what_is_no_log_is_named() {
    let node = TestNode::builder_without_database();
    let said = node.run(&["check-history", "/nowhere/log.jsonl"]);
    assert!(said.code == Some(1) && said.stderr.contains("/nowhere/log.jsonl"), "{said:?}");
    let history = log(true);
    history.write("a1", json!({"event": "yodelled"}));
    // Flushes.
    let kept = history.keep();
    let said = node.run(&["check-history", kept.to_str().expect("a plain name")]);
    std::fs::remove_file(kept).expect("a file of ours");
    assert!(said.code == Some(1) && said.stderr.contains("line 9"), "{said:?}");
}
