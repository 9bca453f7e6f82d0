//! A page as it was read, and its row: what a retry needs not read again, until the job's end; what people may know of it, afterwards.

use std::collections::BTreeMap;

use sqlx::{PgConnection, PgPool};

use super::study::{Run, Study};
use crate::crypt::FieldKeys;
use crate::fault::Fault;

/// One page, read or not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) source: Source,
    /// Empty where there is none.
    pub(crate) text: String,
    /// Percent; `None` where it is not known.
    pub(crate) confidence: Option<f32>,
    /// Why there is no text, in plain words.
    pub(crate) problem: Option<String>,
}

/// Where a page's text is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The file itself.
    Native,
    Tesseract,
    Vision,
    /// Nothing is on it.
    Blank,
    /// Not read: the document is too long.
    LeftOut,
    /// It could not be read.
    Failed,
}

impl Source {
    const ALL: [Self; 6] = [Self::Native, Self::Tesseract, Self::Vision, Self::Blank, Self::LeftOut, Self::Failed];

    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Tesseract => "tesseract",
            Self::Vision => "vision",
            Self::Blank => "blank",
            Self::LeftOut => "left_out",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn is_recognized(self) -> bool {
        matches!(self, Self::Tesseract | Self::Vision)
    }
}

impl Page {
    pub(crate) fn characters(&self) -> i32 {
        i32::try_from(self.text.chars().count()).unwrap_or(i32::MAX)
    }

    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.source, Source::LeftOut | Source::Failed)
    }

    pub(crate) fn is_blank(&self) -> bool {
        !self.is_missing() && self.text.trim().is_empty()
    }
}

/// The pages that earlier runs of the job recognized in this very file, or gave up.
pub(super) async fn recognized<S: Study>(
    pool: &PgPool,
    run: &Run,
    file_version: &str,
    keys: &FieldKeys,
) -> anyhow::Result<BTreeMap<u32, Page>> {
    let rows = sqlx::query!(
        r#"select page, source, text, confidence, problem from celeriac.document_pages
           where subject_kind = $1 and document_id = $2 and file_version = $3 and (text is not null or given_up)"#,
        S::SUBJECT,
        run.document_id,
        file_version
    );
    let mut pages = BTreeMap::new();
    for row in rows.fetch_all(pool).await? {
        let source = Source::ALL.into_iter().find(|source| source.name() == row.source);
        if let (Ok(number), Some(source)) = (u32::try_from(row.page), source) {
            let text = row.text.map_or_else(|| Ok(String::new()), |text| keys.decrypt(&text))?;
            pages.insert(number, Page { number, source, text, confidence: row.confidence, problem: row.problem });
        }
    }
    Ok(pages)
}

/// Stores pages as they were read; of recognized ones also the text, encrypted.
pub(super) async fn store<S: Study>(pool: &PgPool, run: &Run, file_version: &str, pages: &[Page], keys: &FieldKeys) -> Result<(), Fault> {
    let mut transaction = pool.begin().await?;
    if !S::hold(&mut transaction, run).await? {
        return Err(Fault::superseded());
    }
    let texts: Vec<Option<String>> = pages.iter().map(|page| page.source.is_recognized().then(|| keys.encrypt(&page.text))).collect();
    sqlx::query!(
        "insert into celeriac.document_pages as stored
             (subject_kind, document_id, page, file_version, source, text, characters, confidence, problem, given_up)
         select $1, $2, page, $3, source, text, characters, confidence, problem, source = 'failed'
         from unnest($4::int[], $5::text[], $6::text[], $7::int[], $8::real[], $9::text[])
              as read (page, source, text, characters, confidence, problem)
         on conflict (subject_kind, document_id, page) do update
         set file_version = excluded.file_version, source = excluded.source, text = excluded.text, characters = excluded.characters,
             confidence = excluded.confidence, problem = excluded.problem, given_up = excluded.given_up, read_at = now()",
        S::SUBJECT,
        run.document_id,
        file_version,
        &pages.iter().map(|page| i32::try_from(page.number).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &pages.iter().map(|page| page.source.name().to_owned()).collect::<Vec<_>>(),
        &texts as &[Option<String>],
        &pages.iter().map(Page::characters).collect::<Vec<_>>(),
        &pages.iter().map(|page| page.confidence).collect::<Vec<_>>() as &[Option<f32>],
        &pages.iter().map(|page| page.problem.clone()).collect::<Vec<_>>() as &[Option<String>]
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

/// Deletes the text of every page, as no run will need it again. A job that comes later tries anew what this one gave up.
pub(super) async fn forget(transaction: &mut PgConnection, subject: &str, document_id: i64) -> sqlx::Result<()> {
    let forgotten = sqlx::query!(
        "update celeriac.document_pages set text = null, given_up = false
         where subject_kind = $1 and document_id = $2 and (text is not null or given_up)",
        subject,
        document_id
    );
    forgotten.execute(transaction).await?;
    Ok(())
}
