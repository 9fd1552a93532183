//! The tables as diesel sees them; a test holds this against the migrations.

diesel::table! {
    users (id) {
        id -> BigInt,
        uid -> Text,
        name -> Text,
        avatar -> Nullable<Text>,
        password_hash -> Nullable<Text>,
        operator -> Bool,
        created_by_shop -> Nullable<BigInt>,
        tokens_after -> BigInt,
        created_at -> BigInt,
        must_change_password -> Bool,
    }
}

diesel::table! {
    shops (id) {
        id -> BigInt,
        shop -> Text,
        name -> Text,
        origins -> Text,
        created_at -> BigInt,
        time_zone -> Text,
        hours -> Text,
        disabled -> Bool,
        retention_messages -> Nullable<Integer>,
        retention_files -> Nullable<Integer>,
        bot -> Nullable<Text>,
    }
}

diesel::table! {
    agents (shop_id, user_id) {
        shop_id -> BigInt,
        user_id -> BigInt,
        role -> Text,
        status -> Text,
        max_chats -> Nullable<Integer>,
        created_at -> BigInt,
        disabled -> Bool,
    }
}

diesel::table! {
    conversations (id) {
        id -> BigInt,
        shop_id -> Nullable<BigInt>,
        first_user -> BigInt,
        second_user -> Nullable<BigInt>,
        state -> Text,
        claimed_by -> Nullable<BigInt>,
        claim_version -> BigInt,
        last_seq -> BigInt,
        first_delivered -> BigInt,
        first_read -> BigInt,
        first_unread -> BigInt,
        first_said -> BigInt,
        second_delivered -> BigInt,
        second_read -> BigInt,
        second_unread -> BigInt,
        second_said -> BigInt,
        waiting_since -> Nullable<BigInt>,
        opened_at -> BigInt,
        opened_seq -> BigInt,
        returned -> Bool,
        ticket -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        revision -> BigInt,
        updated_second -> BigInt,
        offered_at -> Nullable<BigInt>,
        attended -> SmallInt,
    }
}

diesel::table! {
    messages (conversation_id, seq) {
        conversation_id -> BigInt,
        seq -> BigInt,
        sender_id -> BigInt,
        speaker -> Text,
        side -> SmallInt,
        client_id -> Text,
        digest -> Binary,
        content -> Text,
        at -> BigInt,
        edited_at -> Nullable<BigInt>,
        changed_at -> Nullable<BigInt>,
        changed_by -> Nullable<BigInt>,
    }
}

diesel::table! {
    receipts (conversation_id, side, kind, seq) {
        conversation_id -> BigInt,
        side -> SmallInt,
        kind -> SmallInt,
        seq -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    waiting_acks (conversation_id, user_id) {
        conversation_id -> BigInt,
        user_id -> BigInt,
        seq -> BigInt,
    }
}

diesel::table! {
    tickets (conversation_id, number) {
        conversation_id -> BigInt,
        number -> BigInt,
        first_seq -> BigInt,
        last_seq -> Nullable<BigInt>,
        opened_at -> BigInt,
        left_message -> Bool,
        claimed_at -> Nullable<BigInt>,
        claimed_by -> Nullable<BigInt>,
        answered_at -> Nullable<BigInt>,
        answered_by -> Nullable<BigInt>,
        resolved_at -> Nullable<BigInt>,
        resolved_by -> Nullable<BigInt>,
        score -> Nullable<SmallInt>,
        comment -> Nullable<Text>,
        shop_id -> BigInt,
        outbound -> Bool,
        last_claimed_by -> Nullable<BigInt>,
        rated_at -> Nullable<BigInt>,
        offered_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    timeline (conversation_id, position) {
        conversation_id -> BigInt,
        position -> BigInt,
        at -> BigInt,
        cause -> Text,
        by_user -> BigInt,
        from_user -> Nullable<BigInt>,
        to_user -> Nullable<BigInt>,
        claim_version -> BigInt,
        ticket -> BigInt,
    }
}

diesel::table! {
    offline (user_id, conversation_id, seq) {
        user_id -> BigInt,
        conversation_id -> BigInt,
        seq -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    files (key) {
        key -> Text,
        name -> Text,
        mime -> Text,
        size -> BigInt,
        bytes -> Nullable<Binary>,
        owner_id -> BigInt,
        created_at -> BigInt,
        removed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    file_uses (key, conversation_id, seq) {
        key -> Text,
        conversation_id -> BigInt,
        seq -> BigInt,
        shop_id -> Nullable<BigInt>,
        at -> BigInt,
    }
}

diesel::table! {
    expired (conversation_id) {
        conversation_id -> BigInt,
        upto -> BigInt,
    }
}

diesel::table! {
    erasures (id) {
        id -> BigInt,
        shop_id -> BigInt,
        user_id -> BigInt,
        by_user -> BigInt,
        asked_at -> BigInt,
        after -> Text,
        messages -> BigInt,
        files -> BigInt,
        comments -> BigInt,
        done_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    leases (name) {
        name -> Text,
        holder -> BigInt,
        until -> BigInt,
    }
}

diesel::table! {
    audit (id) {
        id -> BigInt,
        at -> BigInt,
        shop_id -> Nullable<BigInt>,
        by_user -> BigInt,
        address -> Nullable<Text>,
        what -> Text,
        subject -> Text,
        before -> Nullable<Text>,
        after -> Nullable<Text>,
    }
}

diesel::table! {
    replies (id) {
        id -> BigInt,
        shop_id -> BigInt,
        owner_id -> Nullable<BigInt>,
        group -> Text,
        shortcut -> Text,
        text -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    idempotency_keys (user_id, key) {
        user_id -> BigInt,
        key -> Text,
        digest -> Text,
        at -> BigInt,
        status -> Nullable<SmallInt>,
        media -> Nullable<Text>,
        body -> Nullable<Text>,
    }
}

diesel::table! {
    nodes (id) {
        id -> BigInt,
        name -> Text,
        started_at -> BigInt,
        renewed_at -> BigInt,
    }
}

diesel::table! {
    agent_sessions (node_id, user_id) {
        node_id -> BigInt,
        user_id -> BigInt,
        gone_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    search_positions (conversation_id) {
        conversation_id -> BigInt,
        seq -> BigInt,
    }
}

diesel::table! {
    search_changes (id) {
        id -> BigInt,
        conversation_id -> BigInt,
        seq -> BigInt,
    }
}

diesel::table! {
    search_documents (id) {
        id -> BigInt,
        conversation_id -> BigInt,
        seq -> BigInt,
    }
}

diesel::table! {
    exports (key) {
        key -> Text,
        shop_id -> BigInt,
        by_user -> BigInt,
        format -> Text,
        what -> Text,
        from_at -> BigInt,
        to_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    outbox (id) {
        id -> BigInt,
        shop_id -> BigInt,
        at -> BigInt,
        lines -> Text,
    }
}

diesel::table! {
    events (shop_id, last) {
        shop_id -> BigInt,
        last -> BigInt,
        at -> BigInt,
        lines -> Text,
    }
}

diesel::table! {
    event_positions (shop_id) {
        shop_id -> BigInt,
        last -> BigInt,
        removed -> BigInt,
    }
}

diesel::table! {
    api_keys (id) {
        id -> BigInt,
        shop_id -> BigInt,
        user_id -> BigInt,
        made_by -> BigInt,
        name -> Text,
        hash -> Text,
        hint -> Text,
        scopes -> Text,
        created_at -> BigInt,
        used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    webhooks (id) {
        id -> BigInt,
        shop_id -> BigInt,
        url -> Text,
        types -> Text,
        secret -> Text,
        old_secret -> Nullable<Text>,
        old_until -> Nullable<BigInt>,
        position -> BigInt,
        disabled -> Bool,
        failing_since -> Nullable<BigInt>,
        switched_off_at -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    webhook_deliveries (webhook_id, position) {
        webhook_id -> BigInt,
        position -> BigInt,
        subject -> BigInt,
        event -> Text,
        attempts -> Integer,
        due_at -> BigInt,
        dead_at -> Nullable<BigInt>,
        is_first -> Bool,
    }
}

diesel::table! {
    webhook_attempts (id) {
        id -> BigInt,
        webhook_id -> BigInt,
        position -> BigInt,
        at -> BigInt,
        took_ms -> BigInt,
        status -> Nullable<Integer>,
        answer -> Text,
    }
}

diesel::table! {
    event_groups (id) {
        id -> BigInt,
        shop_id -> BigInt,
        name -> Text,
        types -> Text,
        position -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    group_events (group_id, position) {
        group_id -> BigInt,
        position -> BigInt,
        subject -> BigInt,
        until -> BigInt,
        attempts -> Integer,
    }
}

diesel::table! {
    prepared (id) {
        id -> BigInt,
        ticket -> Text,
        shop_id -> BigInt,
        sender_id -> BigInt,
        client_id -> Text,
        conversation_id -> Nullable<BigInt>,
        digest -> Binary,
        content -> Nullable<Text>,
        state -> Text,
        at -> BigInt,
        due_at -> Nullable<BigInt>,
        asked -> Integer,
        heard -> Nullable<Text>,
        decided_at -> Nullable<BigInt>,
        decided_by -> Nullable<Text>,
        seq -> Nullable<BigInt>,
    }
}

diesel::table! {
    check_backs (shop_id) {
        shop_id -> BigInt,
        url -> Text,
        secret -> Text,
        old_secret -> Nullable<Text>,
        old_until -> Nullable<BigInt>,
        changed_at -> BigInt,
    }
}

diesel::joinable!(agent_sessions -> nodes (node_id));
diesel::joinable!(agents -> users (user_id));
diesel::joinable!(agents -> shops (shop_id));
diesel::joinable!(conversations -> shops (shop_id));
diesel::joinable!(replies -> users (owner_id));
diesel::joinable!(audit -> users (by_user));
diesel::joinable!(prepared -> users (sender_id));
diesel::allow_tables_to_appear_in_same_query!(
    users,
    shops,
    agents,
    conversations,
    messages,
    receipts,
    waiting_acks,
    tickets,
    timeline,
    offline,
    files,
    file_uses,
    expired,
    erasures,
    leases,
    audit,
    replies,
    idempotency_keys,
    nodes,
    agent_sessions,
    search_positions,
    search_changes,
    search_documents,
    exports,
    outbox,
    events,
    event_positions,
    event_groups,
    group_events,
    api_keys,
    webhooks,
    webhook_deliveries,
    webhook_attempts,
    prepared,
    check_backs
);
