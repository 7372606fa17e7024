//! What addresses in answers and payloads begin with.

pub(super) struct View {
    pub site: String,
    pub api: String,
    /// Where Git is.
    pub git: String,
}
