//! The settings of a webhook and of a credential at a forge, the same types for every forge.

use std::collections::BTreeMap;

/// A webhook as the forge has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSettings {
    pub url: String,
    pub active: bool,
    pub content: HookContent,
    /// False: the forge delivers to whoever answers, whatever its certificate.
    pub verifies_tls: bool,
    pub events: Vec<String>,
    /// None: the forge does not say, or nothing was delivered yet.
    pub last_answer: Option<HookAnswer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookContent {
    Json,
    Form,
}

/// How the last delivery was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookAnswer {
    /// None: it could not be delivered.
    pub code: Option<u16>,
    pub message: String,
}

/// What a credential may do with a project, as far as the forge tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Of a token of the old kind.
    pub scopes: Option<Vec<String>>,
    /// Of an App's installation, such as `statuses: write`.
    pub permissions: Option<BTreeMap<String, String>>,
    /// The user behind the token may push.
    pub may_push: Option<bool>,
    pub private: Option<bool>,
    /// The App's installation is suspended.
    pub suspended: bool,
}
