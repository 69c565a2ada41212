//! Which package brings a GStreamer element, so that an error about a missing one can say what to
//! type.
//!
//! The sets are those in which GStreamer itself is released; the table follows Debian 12's
//! packages. It names what people put into video pipelines, not all that there is.

use std::fs;

/// GStreamer's sets of plugins, as far as distributions package them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Base,
    /// A part of base that Debian packages by itself: what draws on X11, and text.
    X,
    /// A part of base that Debian packages by itself: OpenGL.
    Gl,
    Good,
    Bad,
    Ugly,
    Libav,
    Camera,
    PipeWire,
    Vaapi,
}

/// What to type, by system: the command and its packages in the order of [`Set`].
struct System {
    /// As `ID` or `ID_LIKE` of /etc/os-release has it.
    ids: &'static [&'static str],
    command: &'static str,
    packages: [&'static str; 10],
    /// Elements that this system packages elsewhere than in their set, and where.
    apart: &'static [(&'static str, &'static str)],
}

const SYSTEMS: [System; 5] = [
    System {
        ids: &["debian", "ubuntu"],
        command: "sudo apt install",
        packages: [
            "gstreamer1.0-plugins-base",
            "gstreamer1.0-x",
            "gstreamer1.0-gl",
            "gstreamer1.0-plugins-good",
            "gstreamer1.0-plugins-bad",
            "gstreamer1.0-plugins-ugly",
            "gstreamer1.0-libav",
            "gstreamer1.0-libcamera",
            "gstreamer1.0-pipewire",
            "gstreamer1.0-vaapi",
        ],
        apart: &[
            ("gtksink gtkglsink", "gstreamer1.0-gtk3"),
            ("qmlgl*", "gstreamer1.0-qt5"),
            ("qml6gl*", "gstreamer1.0-qt6"),
            (
                "facedetect faceblur edgedetect motioncells opencvtextoverlay cv*",
                "gstreamer1.0-opencv",
            ),
            ("rtspclientsink", "gstreamer1.0-rtsp"),
        ],
    },
    System {
        ids: &["fedora", "rhel"],
        command: "sudo dnf install",
        packages: [
            "gstreamer1-plugins-base",
            "gstreamer1-plugins-base",
            "gstreamer1-plugins-base",
            "gstreamer1-plugins-good",
            "gstreamer1-plugins-bad-free",
            "gstreamer1-plugins-ugly-free",
            "gstreamer1-plugin-libav",
            "libcamera-gstreamer",
            "pipewire-gstreamer",
            "gstreamer1-vaapi",
        ],
        apart: &[
            ("gtksink gtkglsink", "gstreamer1-plugins-good-gtk"),
            ("qmlgl*", "gstreamer1-plugins-good-qt"),
            ("qml6gl*", "gstreamer1-plugins-good-qt6"),
            (
                "facedetect faceblur edgedetect motioncells opencvtextoverlay cv*",
                "gstreamer1-plugins-bad-free-opencv",
            ),
            ("zbar", "gstreamer1-plugins-bad-free-zbar"),
            ("openh264*", "gstreamer1-plugin-openh264"),
            ("x264enc", "gstreamer1-plugins-ugly"),
            ("x265enc libde265dec", "gstreamer1-plugins-bad-freeworld"),
        ],
    },
    System {
        ids: &["arch"],
        command: "sudo pacman -S",
        packages: [
            "gst-plugins-base",
            "gst-plugins-base",
            "gst-plugins-base",
            "gst-plugins-good",
            "gst-plugins-bad",
            "gst-plugins-ugly",
            "gst-libav",
            "gst-plugin-libcamera",
            "gst-plugin-pipewire",
            "gstreamer-vaapi",
        ],
        apart: &[
            ("gtksink gtkglsink", "gst-plugin-gtk"),
            ("qmlgl*", "gst-plugin-qmlgl"),
            ("qml6gl*", "gst-plugin-qml6"),
            (
                "facedetect faceblur edgedetect motioncells opencvtextoverlay cv*",
                "gst-plugin-opencv",
            ),
            (
                "vah* vaav1* vajpeg* vampeg2* vavp* vapostproc vacompositor vadeinterlace",
                "gst-plugin-va",
            ),
        ],
    },
    System {
        ids: &["suse", "opensuse"],
        command: "sudo zypper install",
        packages: [
            "gstreamer-plugins-base",
            "gstreamer-plugins-base",
            "gstreamer-plugins-base",
            "gstreamer-plugins-good",
            "gstreamer-plugins-bad",
            "gstreamer-plugins-ugly",
            "gstreamer-plugins-libav",
            "gstreamer-plugins-libcamera",
            "gstreamer-plugin-pipewire",
            "gstreamer-plugins-vaapi",
        ],
        apart: &[
            ("qmlgl*", "gstreamer-plugins-good-qtqml"),
            ("x264enc", "gstreamer-plugins-ugly-codecs"),
            ("x265enc libde265dec", "gstreamer-plugins-bad-codecs"),
        ],
    },
    System {
        ids: &["alpine"],
        command: "sudo apk add",
        packages: [
            "gst-plugins-base",
            "gst-plugins-base",
            "gst-plugins-base",
            "gst-plugins-good",
            "gst-plugins-bad",
            "gst-plugins-ugly",
            "gst-libav",
            "libcamera-gstreamer",
            "gst-plugin-pipewire",
            "gst-vaapi",
        ],
        apart: &[
            ("gtksink gtkglsink", "gst-plugins-good-gtk"),
            ("qmlgl*", "gst-plugins-good-qt"),
        ],
    },
];

/// Elements that only macOS or only Windows has, whatever is installed.
const NEVER_ON_LINUX: &str = "avfvideosrc avfassetsrc avsamplebufferlayersink vtenc* vtdec* \
     osxvideosink d3d* dx9screencapsrc dxgiscreencapsrc gdiscreencapsrc ksvideosrc mfvideosrc \
     mfh264enc mfh265enc mfvp9enc amfh264enc amfh265enc amfav1enc";

/// Names of elements, separated by spaces; one that ends in `*` stands for all that begin so.
const ELEMENTS: [(Set, &str); 10] = [
    (
        Set::Base,
        "videotestsrc videoconvert videoscale videoconvertscale videorate decodebin* playbin* \
         parsebin uridecodebin* urisourcebin encodebin* subtitleoverlay appsrc appsink tcp* \
         multifdsink multisocketsink socketsrc giosrc giosink theora* subparse ssaparse \
         compositor overlaycomposition playsink oggdemux oggmux rawvideoparse \
         unalignedvideoparse streamsynchronizer",
    ),
    (
        Set::X,
        "ximagesink xvimagesink clockoverlay textoverlay timeoverlay textrender",
    ),
    (Set::Gl, "gl*"),
    (
        Set::Good,
        "v4l2* ximagesrc autovideosink autovideosrc jpegdec jpegenc pngdec pngenc vp8enc vp8dec vp9enc vp9dec \
         avimux avidemux dashdemux2 hlsdemux2 matroska* webmmux qtmux qtdemux mp4mux 3gppmux flvmux flvdemux \
         multifile* splitmux* imagesequencesrc multipart* rtp* rtspsrc udp* multiudpsink \
         dynudpsink souphttp* deinterlace interleave imagefreeze videoflip videobalance gamma \
         videomedian videocrop aspectratiocrop videobox videomixer alpha shapewipe smpte* \
         taginject capssetter progressreport breakmydata agingtv dicetv edgetv optv quarktv \
         radioactv revtv rippletv shagadelictv streaktv vertigotv warptv cairooverlay gdkpixbuf* \
         dv1394src hdv1394src alphacolor mssdemux2 ismlmux mj2mux goom splitfilesrc \
         dvdec dvdemux y4menc cacasink aasink aatv cacatv navigationtest osxvideosink",
    ),
    (
        Set::Bad,
        "gdppay gdpdepay h263parse h264parse h265parse jpegparse pngparse av1parse vp9parse \
         vc1parse mpegvideoparse mpeg4videoparse jpeg2000parse jifmux mpegts* tsdemux tsparse \
         waylandsink gtkwaylandsink kmssink fbdevsink dfbvideosink vulkan* openh264* av1enc \
         av1dec svtav1enc svthevcenc x265enc libde265dec dav1ddec openjpeg* webp* zbar \
         faceoverlay qroverlay debugqroverlay zxing rsvg* srt* rist* hls* \
         dash* webrtcbin whipsink rtmp* shm* intervideo* ipcpipeline* proxysink proxysrc \
         coloreffects chromahold lcms bulge circle fisheye kaleidoscope marble mirror \
         perspective pinch rotate sphere square stretch tunnel twirl waterripple burn chromium \
         dilate dodge exclusion gaussianblur solarize videodiff scenechange zebrastripe \
         bayer2rgb rgb2bayer autovideoconvert camerabin wrappercamerabinsrc uvch264* uvcsink \
         vah* vaav1* vajpeg* vampeg2* vavp* vapostproc vacompositor vadeinterlace nvh26* \
         nvav1* nvvp* nvjpeg* nvmpeg* nvcuda* nvauto* nvd3d11* cuda* msdk* qsv* d3d* mf* amf* dxgiscreencapsrc gdiscreencapsrc \
         dx9screencapsrc ksvideosrc avfvideosrc avfassetsrc avsamplebufferlayersink vtenc* vtdec* \
         assrender ttmlrender timecodestamper watchdog curl* mpeg2enc y4mdec ivfparse mxf* \
         rtpasfpay rtpsink rtpsrc rtponvifparse rtponviftimestamp mpegps* rfbsrc decklinkvideo* dc1394src dvbsrc \
         fpsdisplaysink fakevideosink interlace ivtc combdetect fieldanalysis smooth videoparse \
         videoanalyse simplevideomark* videosegmentclip avwait h264timestamper h265timestamper \
         vp8alphadecodebin vp9alphadecodebin pnmdec pnmenc openexrdec dvdspu diffuse asfmux \
         mssdemux sdpdemux sdpsrc diracparse vmncdec openni2src teletextdec cc708overlay \
         viewfinderbin compare netsim pcapparse switchbin transcodebin uritranscodebin",
    ),
    (
        Set::Ugly,
        "x264enc mpeg2dec asfdemux rmdemux dvdreadsrc dvdsub* rtpasfdepay rtspwms rtspreal",
    ),
    (
        Set::Libav,
        "avdec_* avenc_* avmux_* avdemux_* avdeinterlace",
    ),
    (Set::Camera, "libcamera*"),
    (Set::PipeWire, "pipewire*"),
    (Set::Vaapi, "vaapi*"),
];

/// The sets whose patterns are the most particular come first, since `va*` is in one and `vaapi*`
/// in another.
const ORDER: [Set; 10] = [
    Set::Vaapi,
    Set::Camera,
    Set::PipeWire,
    Set::X,
    Set::Base,
    Set::Good,
    Set::Bad,
    Set::Ugly,
    Set::Libav,
    Set::Gl,
];

/// What to type on this machine so that `element` is there, such as
/// `sudo apt install gstreamer1.0-plugins-good`; `None` where nothing is known.
pub fn install_hint(element: &str) -> Option<String> {
    if cfg!(target_os = "macos") {
        return set_of(element).map(|_| "brew install gstreamer".into());
    }
    if cfg!(target_os = "windows") {
        return set_of(element)
            .map(|_| "run GStreamer's installer again and choose Complete".into());
    }
    hint_for(
        element,
        &fs::read_to_string("/etc/os-release").unwrap_or_default(),
    )
}

/// The same for the system that `os_release` describes.
fn hint_for(element: &str, os_release: &str) -> Option<String> {
    if names(NEVER_ON_LINUX, element) {
        return None;
    }
    let system = SYSTEMS.iter().find(|system| {
        let ids = os_release
            .lines()
            .filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")))
            .flat_map(|value| value.trim_matches(['"', '\'']).split(' '));
        let mut ids = ids.flat_map(|id| id.split('-'));
        ids.any(|id| system.ids.contains(&id))
    })?;
    let apart = system.apart.iter().find(|(those, _)| names(those, element));
    let package = match apart {
        Some((_, package)) => package,
        None => system.packages[set_of(element)? as usize],
    };
    Some(format!("{} {package}", system.command))
}

/// The set that has `element`: by its full name, else by how it begins.
fn set_of(element: &str) -> Option<Set> {
    let by_name = |(_, those): &&(Set, &str)| those.split_whitespace().any(|name| name == element);
    let exact = ELEMENTS.iter().find(by_name).map(|(set, _)| *set);
    exact.or_else(|| {
        ORDER.into_iter().find(|set| {
            ELEMENTS
                .iter()
                .any(|(of, those)| of == set && names(those, element))
        })
    })
}

/// Whether `element` is one of `those`, as [`ELEMENTS`] writes them.
fn names(those: &str, element: &str) -> bool {
    those
        .split_whitespace()
        .any(|name| match name.strip_suffix('*') {
            Some(start) => element.starts_with(start),
            None => element == name,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "PRETTY_NAME=\"Debian\"\nID=debian\n";

    #[test]
    fn each_system_is_told_in_its_own_words() {
        for (os_release, hint) in [
            (DEBIAN, "sudo apt install gstreamer1.0-plugins-good"),
            (
                "ID=raspbian\nID_LIKE=debian",
                "sudo apt install gstreamer1.0-plugins-good",
            ),
            (
                "ID=nobara\nID_LIKE=\"rhel fedora\"",
                "sudo dnf install gstreamer1-plugins-good",
            ),
            ("ID=arch", "sudo pacman -S gst-plugins-good"),
            (
                "ID=\"opensuse-leap\"",
                "sudo zypper install gstreamer-plugins-good",
            ),
        ] {
            assert_eq!(
                hint_for("v4l2src", os_release).as_deref(),
                Some(hint),
                "{os_release}"
            );
        }
        assert_eq!(hint_for("v4l2src", "ID=haiku"), None);
        assert_eq!(hint_for("nosuchthing", DEBIAN), None);
    }

    #[test]
    fn the_most_particular_name_wins() {
        for (element, set) in [
            ("vaapih264dec", Set::Vaapi),
            ("vah264dec", Set::Bad),
            ("avdec_h264", Set::Libav),
            ("avfvideosrc", Set::Bad),
            ("avimux", Set::Good),
            ("glimagesink", Set::Gl),
            ("x264enc", Set::Ugly),
            ("clockoverlay", Set::X),
            ("decodebin3", Set::Base),
            ("libcamerasrc", Set::Camera),
        ] {
            assert_eq!(set_of(element), Some(set), "{element}");
        }
    }

    #[test]
    fn every_set_has_its_names_and_its_place() {
        for (index, (set, _)) in ELEMENTS.iter().enumerate() {
            assert_eq!(*set as usize, index);
            assert!(ORDER.contains(set), "{set:?}");
        }
    }

    #[test]
    fn what_a_system_packages_apart_is_not_looked_for_in_its_set() {
        for (element, os_release, hint) in [
            (
                "gtksink",
                DEBIAN,
                Some("sudo apt install gstreamer1.0-gtk3"),
            ),
            (
                "x264enc",
                DEBIAN,
                Some("sudo apt install gstreamer1.0-plugins-ugly"),
            ),
            (
                "x264enc",
                "ID=fedora",
                Some("sudo dnf install gstreamer1-plugins-ugly"),
            ),
            ("vah264enc", "ID=arch", Some("sudo pacman -S gst-plugin-va")),
            (
                "rtpsrc",
                DEBIAN,
                Some("sudo apt install gstreamer1.0-plugins-bad"),
            ),
            ("vtenc_h264", DEBIAN, None),
            ("valve", DEBIAN, None),
            ("nvv4l2decoder", DEBIAN, None),
        ] {
            assert_eq!(hint_for(element, os_release).as_deref(), hint, "{element}");
        }
    }
}
