//! What a shop is set to: its zone, its hours, how long it keeps things; and who may set what.

use shopbell_harness::{TestNode, json};

#[tokio::test]
async fn a_shop_is_set_to_its_hours() {
    let node = TestNode::start().await;
    let operator = node.operator().await;
    let made = operator.post("/shops", json!({"shop": "acme", "name": "Acme"})).await.expect(201);
    assert_eq!((&made["time_zone"], &made["hours"], &made["disabled"]), (&json!("UTC"), &json!({}), &json!(false)));
    assert_eq!(made["retention"], json!({"messages": null, "files": null}));
    node.employ("acme", "owner", "admin").await;
    let owner = node.rest("owner");
    let hours = json!({"mon": [["09:00", "12:00"], ["13:00", "18:00"]], "sun": [["10:00", "24:00"]]});
    let wanted = json!({"time_zone": "Europe/Berlin", "hours": hours, "retention": {"messages": 365, "files": 30}});
    let changed = owner.patch("/shops/acme", wanted).await.expect(200);
    assert_eq!((&changed["time_zone"], &changed["hours"]), (&json!("Europe/Berlin"), &hours));
    // What is not named stays; `null` keeps for ever.
    owner.patch("/shops/acme", json!({"name": "Acme & Co", "retention": {"files": null}})).await.expect(200);
    let shop = owner.get("/shops/acme").await.expect(200);
    assert_eq!((&shop["name"], &shop["hours"]), (&json!("Acme & Co"), &hours));
    assert_eq!(shop["retention"], json!({"messages": 365, "files": null}));
    owner.patch("/shops/acme", json!({})).await.expect(200);
    owner.patch("/shops/acme", json!({"hours": {}})).await.expect(200);
    assert_eq!(owner.get("/shops/acme").await.expect(200)["hours"], json!({}));

    for (body, field) in [
        (json!({"time_zone": "Europe/Nowhere"}), "time_zone"),
        (json!({"time_zone": 1}), "time_zone"),
        (json!({"hours": {"monday": [["09:00", "12:00"]]}}), "hours"),
        (json!({"hours": {"mon": [["12:00", "09:00"]]}}), "hours"),
        (json!({"retention": 30}), "retention"),
        (json!({"retention": {"messages": 0}}), "retention.messages"),
        (json!({"retention": {"files": "30"}}), "retention.files"),
        (json!({"retention": {"files": 36501}}), "retention.files"),
        (json!({"disabled": "yes"}), "disabled"),
    ] {
        assert_eq!(owner.patch("/shops/acme", body.clone()).await.refused(400, "invalid")["field"], field, "{body}");
    }
    owner.patch("/shops/acme", json!({"name": "mine", "disabled": true})).await.refused(403, "forbidden");
    assert_eq!(owner.get("/shops/acme").await.expect(200)["name"], "Acme & Co", "a refusal changes nothing");
    let bolt = json!({"shop": "bolt", "name": "Bolt", "time_zone": "Asia/Shanghai", "retention": {"messages": 7}});
    let bolt = operator.post("/shops", bolt).await.expect(201);
    assert_eq!((&bolt["time_zone"], &bolt["retention"]["messages"]), (&json!("Asia/Shanghai"), &json!(7)));
}
