//! A shop's figures, as `docs/statistics.md` defines them.

pub mod clock;
pub mod period;
pub mod quantile;
pub mod tally;
pub mod ticket;
