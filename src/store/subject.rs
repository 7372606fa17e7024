//! What is known of one app when a step of its delivery begins, as of one moment.

use super::apps::AppRow;
use super::inventory::{self, ObjectRow};
use super::replaced::{self, Replaced};
use super::waits::{self, Wait};
use super::{Store, StoreError, apps};
use crate::ids::AppId;

#[derive(Debug)]
pub struct Subject {
    pub row: AppRow,
    /// What it owns, on all clusters.
    pub inventory: Vec<ObjectRow>,
    /// What it waits for.
    pub waiting: Option<Wait>,
    /// What was deleted to be made again, and is not known to be there.
    pub missing: Vec<Replaced>,
}

impl Store {
    /// None for an app that is not known.
    pub async fn subject(&self, id: &AppId) -> Result<Option<Subject>, StoreError> {
        let mut at = self.snapshot().await?;
        let Some(row) = apps::one(&mut at.0, id).await? else { return Ok(None) };
        Ok(Some(Subject {
            row,
            inventory: inventory::of_app(&mut at.0, id).await?,
            waiting: waits::of_app(&mut at.0, id).await?,
            missing: replaced::of_app(&mut at.0, &self.0.skipped, id).await?,
        }))
    }
}
