//! The settings of a webhook and of a credential at a forge, the same types for every forge.

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

/// What a credential may do with a project, as far as the forge tells, compared with what Driftless needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// What keeps Driftless from working, and what to do about it.
    pub wrong: Vec<String>,
    /// What is worth knowing otherwise.
    pub notes: Vec<String>,
    /// What it may do, if nothing is wrong.
    pub may: &'static str,
}
