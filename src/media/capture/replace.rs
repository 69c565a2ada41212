//! The thread "source" changes over to another pipeline, while viewers stay.
//!
//! Whatever can go wrong with the new one goes wrong while the old one still runs, or can be
//! started again.

use crate::failure::Outcome;

use super::camera;
use super::pipeline::{CapturePipeline, PipelineEvent};
use super::source::SourceEvent;
use super::source_thread::{CHANGE_LIMIT, SourceThread};
use crate::media::pipeline::build;
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::placeholders::Filled;

impl SourceThread {
    /// Changes over to another pipeline: beside the running one where that can be, otherwise in
    /// its place, and at the next opening where there is none.
    pub(super) fn replace(&mut self, file: PipelineFile) {
        if let Some(earlier) = self.candidate.take() {
            earlier.stop();
        }
        let text = match self.check(&file) {
            Ok(text) => text,
            Err(failure) => return self.say(SourceEvent::Kept(failure)),
        };
        if self.recovery.is_lost() && self.running.is_none() {
            // There is nothing that could go on.
            self.file = file;
            self.say(SourceEvent::Changed("from the next try on".into()));
            if self.wanted {
                self.attempt();
            }
            return;
        }
        let Some(running) = &self.running else {
            self.next = Some(file);
            return self.say(SourceEvent::Changed("from the next opening on".into()));
        };
        if running.holds_what_is_needed_by(&text) {
            self.running
                .take()
                .into_iter()
                .for_each(CapturePipeline::stop);
            self.next = Some(file);
            return self.attempt();
        }
        match self.start(&file, CHANGE_LIMIT) {
            Ok(opening) => self.candidate = Some(opening),
            Err(failure) => self.say(SourceEvent::Kept(failure)),
        }
    }

    /// The text of a recipe that makes a pipeline. A camera that is known is not touched.
    fn check(&self, file: &PipelineFile) -> Outcome<String> {
        self.values.check(file)?;
        let known = self.camera.as_ref();
        let Filled { text, .. } = self
            .values
            .fill_send_with(file, &mut |request| match known {
                Some(known) => Ok(known.clone()),
                None => camera::choose(request),
            })?;
        build::check(file, &text)?;
        Ok(text)
    }

    /// What the new pipeline, beside the old one, has to say.
    pub(super) fn hear_candidate(&mut self, new: CapturePipeline, notice: PipelineEvent) {
        match notice {
            PipelineEvent::FirstFrame(form) => {
                // The gate lets nothing of the old one through any more.
                if let Some(old) = self.running.replace(new) {
                    old.stop();
                }
                self.next = self.running.as_ref().map(|new| new.file.clone());
                self.begin(&form);
            }
            PipelineEvent::End => {
                self.keep(new, "it came to its end before its first picture", None)
            }
            PipelineEvent::Error { message, debug } => self.keep(new, &message, debug.as_deref()),
        }
    }

    /// A new pipeline does not work: the one before goes on.
    pub(super) fn keep(&mut self, new: CapturePipeline, message: &str, debug: Option<&str>) {
        let failure = new.explain(message, debug);
        new.stop();
        self.say(SourceEvent::Kept(failure));
    }
}
