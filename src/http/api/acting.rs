//! Who acts on a shop, and whence: whether they may is asked in the transaction that does it, and the audit keeps what was done.

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures_util::future::{FutureExt, LocalBoxFuture};
use serde::Deserialize;
use serde_json::Value;

use super::{access, settings::ApiSettings};
use crate::{
    actors::{journal::WriteError, now, session::Identity},
    domain::{ids::ShopId, permission::Permission, refusal::Refusal},
    http::problem::Problem,
    store::{Db, audit, shops},
};

/// Somebody who is logged in and changes something in the shop that the path names: `/shops/{shop}/…`.
#[derive(Clone)]
pub struct Acting {
    pub me: Identity,
    pub shop: String,
    pub address: String,
}

impl Acting {
    /// The shop, for its admins and for operators.
    ///
    /// # Errors
    /// As [`access::manage`].
    pub fn manage(&self, db: &mut Db) -> Result<shops::Row, WriteError> {
        Ok(access::manage(db, &self.me, &self.shop)??)
    }

    /// The shop, for those of its agents whose role has this permission.
    ///
    /// # Errors
    /// As [`access::permitted`].
    pub fn permitted(&self, db: &mut Db, what: Permission) -> Result<shops::Row, WriteError> {
        Ok(access::permitted(db, &self.me, &self.shop, what)??)
    }

    /// Puts into the audit what was done with what, and how that was before and is after.
    ///
    /// # Errors
    /// What the database says.
    pub fn record(
        &self,
        db: &mut Db,
        shop: ShopId,
        what: &str,
        subject: &str,
        [before, after]: [Option<Value>; 2],
    ) -> Result<(), WriteError> {
        let [before, after] = [before, after].map(|value| value.map(|value| value.to_string()));
        let (shop, by, address) = (Some(shop), self.me.person.id, Some(&*self.address));
        Ok(audit::insert(db, &audit::Act { shop, by, address, what, subject, before, after }, now())?)
    }
}

#[derive(Deserialize)]
struct Named {
    shop: String,
}

impl FromRequest for Acting {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Acting, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (me, request) = (Identity::from_request(request, payload), request.clone());
        async move {
            let me = me.await?;
            let api = request.app_data::<web::Data<ApiSettings>>().ok_or(Problem::from(Refusal::BUSY))?;
            let address = api.address(&request).to_string();
            let shop = web::Path::<Named>::extract(&request).await?.into_inner().shop;
            Ok(Acting { me, shop, address })
        }
        .boxed_local()
    }
}
