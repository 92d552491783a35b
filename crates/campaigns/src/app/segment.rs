//! Create, change, list.

use clientele_contracts::campaigns::v1 as pb;
use clientele_kernel::{Etag, SegmentId, paging};
use clientele_platform::postgres::UnitOfWork;
use clientele_platform::{Begun, Command};
use prost::Message;

use super::App;
use crate::domain::segment::{Consequence, MOST_ACTIVE, Segment, Statement};
use crate::events::publish;
use crate::store::segment::View;
use crate::{Error, contract, store};

const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 200;

impl App {
    /// Creates a segment; its members are found in the background.
    pub(crate) async fn create(
        &self,
        command: &Command<'_, impl Message>,
        statement: Statement,
    ) -> Result<pb::Segment, Error> {
        let mut work = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(work) => work,
        };
        store::segment::lock_rules(work.conn()).await?;
        require_room(&mut work).await?;
        let segment = Segment::create(statement, work.now(), self.db.ids())?;
        store::segment::insert(work.conn(), &segment).await?;
        rebuild(&mut work, &segment).await?;
        work.record(publish::segment(&segment, false));
        let answer = shown(&mut work, segment.id).await?;
        work.commit_with(&answer).await?;
        Ok(answer)
    }

    /// Changes what the statement says, if the segment still is at the revision the caller read.
    pub(crate) async fn update(
        &self,
        command: &Command<'_, impl Message>,
        id: SegmentId,
        etag: Etag,
        statement: Statement,
    ) -> Result<pb::Segment, Error> {
        let mut work = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(work) => work,
        };
        store::segment::lock_rules(work.conn()).await?;
        let View { mut segment, progress, .. } =
            store::segment::get(work.conn(), &[id]).await?.pop().ok_or(Error::NotFound(id))?;
        etag.require(segment.revision)?;
        let was_active = segment.active;
        let consequence = segment.update(statement, work.now());
        if segment.active && !was_active {
            require_room(&mut work).await?;
        }
        if consequence != Consequence::None {
            store::segment::update(work.conn(), &segment).await?;
            if consequence == Consequence::Rebuild {
                rebuild(&mut work, &segment).await?;
            } else {
                // Names are told with memberships.
                store::segment::raise_rules(work.conn()).await?;
            }
            work.record(publish::segment(&segment, consequence == Consequence::Told && progress.complete));
        }
        let answer = shown(&mut work, id).await?;
        work.commit_with(&answer).await?;
        Ok(answer)
    }

    /// A segment.
    pub(crate) async fn get(&self, id: SegmentId) -> Result<pb::Segment, Error> {
        store::segment::get(self.db.pool(), &[id]).await?.pop().map(show).ok_or(Error::NotFound(id))
    }

    /// A page of segments by name, and the token of the next.
    pub(crate) async fn list(
        &self,
        include_inactive: bool,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<pb::Segment>, String), Error> {
        let size = paging::size(page_size, PAGE, LARGEST_PAGE)?;
        let print = paging::fingerprint(&["segments", if include_inactive { "all" } else { "active" }]);
        let after = paging::decode::<String>(page_token, print)?;
        let mut views = store::segment::list(self.db.pool(), include_inactive, after, size + 1).await?;
        let more = paging::cut(&mut views, size);
        let last = views.last().filter(|_| more);
        let token = last.map(|view| paging::encode(&view.segment.name.key, print)).unwrap_or_default();
        Ok((views.into_iter().map(show).collect(), token))
    }
}

/// Fails where as many segments as may be are in use.
async fn require_room(work: &mut UnitOfWork) -> Result<(), Error> {
    if store::segment::number_active(work.conn()).await? >= MOST_ACTIVE { Err(Error::TooMany) } else { Ok(()) }
}

async fn rebuild(work: &mut UnitOfWork, segment: &Segment) -> Result<(), Error> {
    store::segment::start_build(work.conn(), segment.id).await?;
    store::segment::raise_rules(work.conn()).await
}

/// A segment that has just been written, as the answer shows it.
async fn shown(work: &mut UnitOfWork, id: SegmentId) -> Result<pb::Segment, Error> {
    store::segment::get(work.conn(), &[id]).await?.pop().map(show).ok_or(Error::NotFound(id))
}

fn show(view: View) -> pb::Segment {
    contract::segment(&view.segment, view.members, view.progress)
}
