//! Who somebody is: tokens and passwords. Knows the rules of the contract's section 1, and neither database nor wire.

pub mod api_key;
mod hs256;
pub mod password;
pub mod token;
pub mod webhook_signature;
