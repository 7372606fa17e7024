//! Driftless
