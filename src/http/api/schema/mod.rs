//! How bodies look from outside, for the OpenAPI document. What is really read and written is in `protocol` and in the handlers; the
//! tests over HTTP compare the two.

mod answers;
mod requests;

pub use answers::*;
pub use requests::*;
