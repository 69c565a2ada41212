//! What the first bytes of a peer are, where they are of no dialect: the protocols and formats that
//! people and programs bring by mistake.

/// The beginnings that do not explain themselves, each with its name.
const KNOWN: [(&[u8], &str); 14] = [
    (b"GET ", "HTTP, as from a browser"),
    (b"HEAD ", "HTTP, as from a browser"),
    (b"POST ", "HTTP, as from a browser"),
    (b"OPTIONS ", "RTSP or HTTP"),
    (b"DESCRIBE ", "RTSP"),
    (b"\x16\x03", "TLS"),
    (b"\x80\x02", "a pickle without its length"),
    (b"\x80\x03", "a pickle without its length"),
    (b"\x80\x04", "a pickle without its length"),
    (b"\x80\x05", "a pickle without its length"),
    (b"\xff\xd8\xff", "a JPEG without its length"),
    (b"\x89PNG", "a PNG without its length"),
    (b"\0\0\0\x01", "H.264 or H.265 without lengths"),
    (b"\0\0\x01", "H.264 or H.265 without lengths"),
];

/// The protocol or format that begins with these bytes: ` (TLS)` or the like, or nothing.
pub fn kind_of(first: &[u8]) -> String {
    let known = KNOWN
        .into_iter()
        .find(|(start, _)| first.starts_with(start));
    known.map_or(String::new(), |(_, kind)| format!(" ({kind})"))
}
