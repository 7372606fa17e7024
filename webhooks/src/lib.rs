//! Webhooks
