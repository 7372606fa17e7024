//! What a render may not do, and what becomes of one that tries.
