//! The embedded forge in GitLab's dialect: what its description does not say of GitLab, by GitLab's own words.

mod rest;
mod statuses;
mod webhooks;
