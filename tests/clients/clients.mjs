// The official JavaScript client against a running server: bulk, paged search, count, get, API keys.
// Environment: WATCHFIRE_ES_URL, WATCHFIRE_USER, WATCHFIRE_PASSWORD. Exits 0 when every step holds.
import { createRequire } from 'node:module'
import { randomUUID } from 'node:crypto'

const require = createRequire(process.env.WATCHFIRE_NODE_MODULES ? `${process.env.WATCHFIRE_NODE_MODULES}/x.js` : import.meta.url)
const { Client } = require('@elastic/elasticsearch')

const node = process.env.WATCHFIRE_ES_URL ?? 'http://127.0.0.1:9200'
const auth = { username: process.env.WATCHFIRE_USER ?? 'elastic', password: process.env.WATCHFIRE_PASSWORD }
const index = `logs-jsclient.${randomUUID().slice(0, 8)}-default`

function check (name, ok, detail) {
  console.log(`${ok ? 'ok  ' : 'FAIL'} javascript ${name}`, ok ? '' : JSON.stringify(detail))
  if (!ok) process.exit(1)
}

const es = new Client({ node, auth, compression: true })
const info = await es.info()
check('info', info.version.number.startsWith('9.'), info)

const docs = Array.from({ length: 500 }, (_, i) => ({
  '@timestamp': new Date(Date.UTC(2026, 0, 2, 3, 0, i)).toISOString(),
  n: i,
  user: { name: `user-${i % 5}` }
}))
const stats = await es.helpers.bulk({ datasource: docs, flushBytes: 20_000, onDocument: () => ({ create: { _index: index } }) })
check('helpers.bulk', stats.successful === 500 && stats.failed === 0, stats)
const mixed = await es.bulk({ operations: [{ create: { _index: index, _id: 'x' } }, { '@timestamp': 'never' }, { create: { _index: index, _id: 'y' } }, { n: 500 }] })
check('bulk item errors', mixed.errors === true && mixed.items[0].create.status === 400 && mixed.items[1].create.status === 201, mixed)

const seen = []
let after
for (;;) {
  const page = await es.search({ index, query: { range: { n: { lt: 500 } } }, sort: [{ '@timestamp': 'desc' }, { n: 'desc' }], size: 64, search_after: after })
  const hits = page.hits.hits
  if (hits.length === 0) break
  after = hits[hits.length - 1].sort
  seen.push(...hits.map(h => h._source.n))
}
check('search_after', seen.length === 500 && seen.every((n, i) => n === 499 - i), seen.length)
check('count', (await es.count({ index })).count === 501)
const got = await es.get({ index, id: 'y' })
check('get', got.found && got._source.n === 500 && typeof got._source['@timestamp'] === 'string', got)
const missing = await es.get({ index, id: 'nope' }, { ignore: [404], meta: true })
check('get missing', missing.statusCode === 404 && missing.body.found === false, missing.body)
const terms = await es.search({ index, size: 0, aggs: { users: { terms: { field: 'user.name' } } } })
check('aggregations', terms.aggregations.users.buckets.length === 5 && terms.aggregations.users.buckets[0].doc_count === 100, terms)
if (process.env.WATCHFIRE_SKIP_KEYS !== '1') {
  const key = await es.security.createApiKey({ name: 'js-client-test' })
  const withKey = new Client({ node, auth: { apiKey: key.encoded } })
  check('api key', (await withKey.count({ index })).count === 501)
  const me = await withKey.security.authenticate()
  check('authenticate', me.authentication_type === 'api_key' && me.api_key.id === key.id, me)
  const gone = await es.security.invalidateApiKey({ ids: [key.id] })
  check('invalidate', gone.invalidated_api_keys.includes(key.id), gone)
}
await es.indices.deleteDataStream({ name: index })
check('delete stream', !(await es.indices.exists({ index })))
