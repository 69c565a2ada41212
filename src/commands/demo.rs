//! `vidchat demo`: a sender and a receiver in one process, with real TCP between them.

use std::net::{IpAddr, Ipv4Addr};

use tokio::sync::oneshot;
use tracing::info;

use crate::cli::DemoArgs;
use crate::console;
use crate::failure::{Failure, Outcome, describe};
use crate::media::pipeline::catalog;
use crate::media::pipeline::file::PipelineFile;
use crate::media::{self, Direction, Values};
use crate::net::Target;
use crate::net::receiver::ReceiveOptions;
use crate::net::sender::ServerOptions;

use super::invitation;
use super::quit::Quit;
use super::recv::connector::{Connector, SenderPlace};
use super::recv::options::RecvOptions;
use super::recv::{self, session};
use super::send::tutorial_frames::PickleContent;
use super::send::{self, Banner, Destination, SendOptions};
use super::settings;

/// Sends and receives until the person ends the program.
pub async fn run(args: DemoArgs) -> Outcome {
    media::init()?;
    let values = settings::values(args.settings);
    let sent = catalog::find(Direction::Send, &args.pipeline)?;
    values.check(&sent)?;
    let shown = recv::file(None, args.display)?;
    let listener = invitation::listen(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0, "vidchat demo")?;
    let cannot = |cause: String| Failure::start("cannot run the demo").cause(cause);
    let address = listener.local_addr().map_err(|e| cannot(describe(&e)))?;
    let target = Target {
        host: Ipv4Addr::LOCALHOST.to_string(),
        port: Some(address.port()),
    };
    let mut quit = Quit::listen()?;
    info!(
        "demo: {:?} over TCP at {target}, {}; {}",
        sent.name,
        place(&shown),
        console::way_out()
    );
    let sending = sending(sent, values, args.preview);
    let receiving = receiving(&target, shown, args.frames);
    let (stop, stopped) = oneshot::channel::<()>();
    let receiver = async move {
        let connector = Connector::dial(target.into(), &receiving.play);
        let first = connector.first().await;
        let connection = first.map_err(|e| cannot(e.to_string()))?;
        let quit = async move { quit.asked().await };
        let ending = session::run(connection, connector, receiving, quit).await;
        // The sender ends when this is dropped.
        drop(stop);
        ending.map_err(Failure::from)
    };
    let sender = send::serve(
        Destination::Listener(listener),
        sending,
        Banner::Nothing,
        async {
            let _ = stopped.await;
        },
    );
    let (sent, received) = tokio::join!(sender, receiver);
    // A failed sender fails the receiver too, but only the sender knows the cause.
    sent.and(received)
}

/// Where the display pipeline `file` shows the frames, in words.
fn place(file: &PipelineFile) -> &'static str {
    match file.name.as_str() {
        "window" => "shown in a window",
        "terminal" => "shown in the terminal",
        _ => "shown nowhere",
    }
}

fn sending(file: PipelineFile, values: Values, preview: bool) -> SendOptions {
    SendOptions {
        pickles: PickleContent::default(),
        file,
        values,
        server: ServerOptions {
            max_viewers: 1,
            name: "demo".into(),
            ..ServerOptions::default()
        },
        preview: Some(preview),
        keep_open: false,
        stats: None,
        camera: None,
        watch: None,
        announced_as: None,
    }
}

fn receiving(target: &Target, file: PipelineFile, frames: Option<u64>) -> RecvOptions {
    RecvOptions {
        place: SenderPlace::Target(target.clone()),
        file,
        values: Values::default(),
        play: ReceiveOptions::default(),
        frames,
        // The demo ends with its sender.
        reconnect: false,
        give_up: None,
        has_status_line: true,
        seat: None,
        participants: None,
        forward: None,
        stats: None,
        watch: None,
    }
}
