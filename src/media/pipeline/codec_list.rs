//! Placeholders whose names are lists of codecs, such as `${h264-h265}`: the frames as they come
//! where they are of one of these codecs, else encoded in the first.
//!
//! So a file that publishes says in one word what its container takes.

use super::catalog;
use super::file::PipelineFile;

/// One codec of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedCodec {
    /// The word for it, which is the name of its codec file too.
    pub name: &'static str,
    pub media_type: &'static str,
    /// The elements that give the parameter sets with every key frame; empty where there are none.
    pub parser: &'static str,
}

const CODECS: [ListedCodec; 5] = [
    ListedCodec {
        name: "h264",
        media_type: "video/x-h264",
        parser: "h264parse config-interval=-1",
    },
    ListedCodec {
        name: "h265",
        media_type: "video/x-h265",
        parser: "h265parse config-interval=-1",
    },
    ListedCodec {
        name: "av1",
        media_type: "video/x-av1",
        parser: "av1parse",
    },
    ListedCodec {
        name: "vp8",
        media_type: "video/x-vp8",
        parser: "",
    },
    ListedCodec {
        name: "vp9",
        media_type: "video/x-vp9",
        parser: "",
    },
];

/// The codecs that the name of a placeholder lists; `None` where it is no such list.
pub fn codecs(name: &str) -> Option<Vec<ListedCodec>> {
    let codec = |word| CODECS.into_iter().find(|codec| codec.name == word);
    name.split('-').map(codec).collect()
}

/// The codec file of the first codec of a list, whose placeholders a person may fill too.
pub fn encoder_of(name: &str) -> Option<PipelineFile> {
    let first = *codecs(name)?.first()?;
    let mut files = catalog::all_codecs().into_iter();
    files.find(|file| file.name == first.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_known_codecs_alone() {
        let names = |name| codecs(name).map(|list| list.iter().map(|codec| codec.name).collect());
        assert_eq!(names("h264-av1"), Some(vec!["h264", "av1"]));
        for name in ["decode", "h266", "h264-", "", "h264--h265", "caps"] {
            assert_eq!(names(name), None, "{name}");
        }
        assert_eq!(encoder_of("h265-h264").expect("there is one").name, "h265");
    }
}
