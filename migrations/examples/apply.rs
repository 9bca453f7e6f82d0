//! Applies the migrations of this source tree to DATABASE_URL. For `make prepare`: the programs that could do it cannot be built before the
//! queries they hold are known.

use sqlx::PgPool;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL leads to the database");
    let pool = PgPool::connect(&url).await.expect("PostgreSQL answers");
    celeriac_migrations::up(&pool).await.expect("the migrations apply");
}
