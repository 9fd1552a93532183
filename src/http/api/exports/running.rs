//! How many exports of a shop are being sent by this node.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::domain::{ids::ShopId, refusal::Refusal};

/// At a time, of one shop.
const OF_A_SHOP: usize = 2;
const RETRY_MS: u64 = 5_000;

#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<HashMap<ShopId, usize>>>);

impl Running {
    /// Counts one more, until the permit is dropped.
    ///
    /// # Errors
    /// `RateLimited` where there are too many of this shop.
    pub fn enter(&self, shop: ShopId) -> Result<Permit, Refusal> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(shop).or_default();
        if *count >= OF_A_SHOP {
            return Err(Refusal::RateLimited { retry_after_ms: RETRY_MS });
        }
        *count += 1;
        metrics::gauge!("shopbell_exports").increment(1.0);
        Ok(Permit { running: self.clone(), shop })
    }
}

pub struct Permit {
    running: Running,
    shop: ShopId,
}

impl Permit {
    /// So many rows have been read.
    pub fn count(&self, rows: usize) {
        metrics::counter!("shopbell_exported_rows_total").increment(rows as u64);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut running = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.shop) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.shop);
            }
        }
        metrics::gauge!("shopbell_exports").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_a_shop_and_no_more() {
        let running = Running::default();
        let (shop, other) = (ShopId(1), ShopId(2));
        let permits: Vec<Permit> = (0..OF_A_SHOP).map(|_| running.enter(shop).unwrap()).collect();
        assert!(running.enter(shop).is_err());
        assert!(running.enter(other).is_ok());
        drop(permits);
        assert!(running.enter(shop).is_ok());
        assert!(running.0.lock().unwrap().is_empty());
    }
}
