//! Who somebody is: tokens and passwords. Knows the rules of the contract's section 1, and neither database nor wire.

mod hs256;
pub mod password;
pub mod token;
