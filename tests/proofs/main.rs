//! The promises that have a figure, each under real load: short every day, in full with `SHOPBELL_LONG=1`.
//!
//! Figures are printed on lines that begin with `figure:`; so are the seeds of what is random, which `SHOPBELL_SEED` sets.
//! The proofs measure one machine, therefore they run one after the other.

mod administration;
mod claim_race;
mod figures;
mod idle;
mod kill;
mod prepared;
mod replay;
mod search;
mod slow_readers;
