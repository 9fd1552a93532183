//! What becomes of conversations when a part is lost: processes are killed, stopped and cut off, as they are in the field.

mod postgres;
