DROP TABLE group_events;
DROP TABLE event_groups;
