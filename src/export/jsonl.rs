//! JSON Lines: an object for each row, its keys in the order of the columns; everything as it is.

use std::{io, mem};

use super::{Cell, Table};
use crate::protocol::time::rfc3339;

pub struct Jsonl {
    columns: &'static [&'static str],
    out: Vec<u8>,
}

impl Jsonl {
    pub fn new(columns: &'static [&'static str]) -> Jsonl {
        Jsonl { columns, out: Vec::new() }
    }
}

impl Table for Jsonl {
    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        for (n, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            self.out.push(if n == 0 { b'{' } else { b',' });
            serde_json::to_writer(&mut self.out, column)?;
            self.out.push(b':');
            match cell {
                Cell::Nothing => serde_json::to_writer(&mut self.out, &()),
                Cell::Text(text) => serde_json::to_writer(&mut self.out, text),
                Cell::Number(number) => serde_json::to_writer(&mut self.out, number),
                Cell::Flag(flag) => serde_json::to_writer(&mut self.out, flag),
                Cell::Time(at) => serde_json::to_writer(&mut self.out, &rfc3339(*at)),
            }?;
        }
        self.out.extend(b"}\n");
        Ok(())
    }

    fn take(&mut self) -> Vec<u8> {
        mem::take(&mut self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_an_object_on_a_line() {
        let mut lines = Jsonl::new(&["b", "a"]);
        lines.row(&[Cell::text("=1\n\""), Cell::Nothing]).unwrap();
        assert_eq!(String::from_utf8(lines.take()).unwrap(), "{\"b\":\"=1\\n\\\"\",\"a\":null}\n");
    }
}
