//! Medians and percentiles, as spreadsheets compute them.

/// Of a number of times: the median and the 90th percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    pub median: i64,
    pub p90: i64,
}

impl Quantiles {
    /// `None` of no times at all. Sorts them.
    pub fn of(times: &mut [i64]) -> Option<Quantiles> {
        times.sort_unstable();
        Some(Quantiles { median: quantile(times, 5)?, p90: quantile(times, 9)? })
    }
}

/// The value below which so many tenths of the sorted values lie: between two of them, in proportion (`PERCENTILE.INC` of spreadsheets,
/// `percentile_cont` of SQL), rounded.
fn quantile(sorted: &[i64], tenths: usize) -> Option<i64> {
    let place = sorted.len().checked_sub(1)? * tenths;
    let (below, part) = (sorted[place / 10], (place % 10) as i64);
    let above = sorted.get(place / 10 + 1).copied().unwrap_or(below);
    Some(below + ((above - below) * part + 5) / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_spreadsheets() {
        for (mut times, median, p90) in [
            (vec![7], 7, 7),
            (vec![30, 10], 20, 28),
            (vec![40, 10, 30, 20], 25, 37),
            ((0..=10).rev().map(|n| n * 100).collect(), 500, 900),
            (vec![1, 2], 2, 2),
        ] {
            assert_eq!(Quantiles::of(&mut times), Some(Quantiles { median, p90 }), "{times:?}");
        }
        assert_eq!(Quantiles::of(&mut []), None);
    }
}
