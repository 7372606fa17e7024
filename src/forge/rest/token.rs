//! A token from a file or the environment, as it is now.

use secrecy::{ExposeSecret, SecretString};

use super::api::Api;
use super::setup::SetupError;
use crate::forge::ForgeError;
use crate::secret::LiveSecret;

/// The token as its file has it now.
pub(in crate::forge) fn own(token: &LiveSecret, api: &Api) -> Result<SecretString, ForgeError> {
    let token = token.get();
    if sendable(&token) { Ok(token) } else { Err(api.unavailable(format!("not asked: {}", SetupError::Token))) }
}

pub(in crate::forge) fn sendable(token: &SecretString) -> bool {
    !token.expose_secret().is_empty() && token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic())
}
