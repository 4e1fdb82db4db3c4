//! Events: raw bytes with a lazy parse, field paths, ECS names, decoders.
