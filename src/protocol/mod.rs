//! The contract with clients, as `docs/protocol.md` has it: parsing what they send, encoding what they are sent, and the two closed
//! tables of error codes and close codes. No I/O.

pub mod check_back;
pub mod close;
pub mod code;
pub mod content;
pub mod envelope;
pub mod event;
pub mod fields;
pub mod frame;
pub mod hours;
pub mod page;
pub mod time;
pub mod told;
pub mod view;
