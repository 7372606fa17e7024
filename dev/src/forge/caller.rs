//! Who asks the API: the owner of the token, the App, or its installation.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// A user, or an App's installation by its bot.
    Login(String),
    /// The App itself, which may only ask about itself.
    App,
}
