/** A period's figures: in total, as curves over its pieces, and by agent. */

import { el, written } from '/assets/dom.js';
import { nameOf, t } from '/assets/i18n.js';
import { count, listOf, score, share, tiles, time } from '/assets/admin/figures.js';

const DAY_MS = 86_400_000;
const PERIODS = { day: { days: 1, bucket: 'hour' }, week: { days: 7, bucket: 'day' }, month: { days: 30, bucket: 'day' }, quarter: { days: 90, bucket: 'week' } };
const HOUR = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
const DAY = { day: 'numeric', month: 'short' };
/** What lies between two lines of a chart: whole numbers. */
const STEPS = [1, 10, 100, 1_000, 10_000, 100_000].flatMap((ten) => [ten, 2 * ten, 5 * ten]);

/** @param {import('/assets/admin/admin.js').View} view */
export function statistics(view) {
  const period = el('select', { name: 'period' }, ...Object.keys(PERIODS).map((name) => el('option', { value: name }, t(`period_${name}`))));
  period.value = view.params.get('period') ?? 'week';
  const total = el('div');
  const charts = el('div.charts');
  const by = el('div.scroll', { tabindex: '0', role: 'region', 'aria-label': t('by_agent') });

  async function read() {
    const { days, bucket } = PERIODS[period.value];
    const to = new Date();
    const query = new URLSearchParams({ from: new Date(to.getTime() - days * DAY_MS).toISOString(), to: to.toISOString(), bucket });
    const figures = await view.api('GET', `${view.of}/stats?${query}`);
    total.replaceChildren(tiles(figures.total));
    charts.replaceChildren();
    const { buckets, time_zone: zone } = figures;
    const curve = (title, write, ...lines) => chart(charts, { title, write, bucket, zone, at: buckets.map(({ from }) => Date.parse(from) / 1000), lines });
    curve(t('c_tickets'), count,
      { label: t('f_opened'), values: buckets.map(({ opened }) => opened.count), colour: '--accent' },
      { label: t('f_resolved'), values: buckets.map(({ resolved }) => resolved.count), colour: '--warn' });
    curve(t('c_messages'), count,
      { label: t('f_in'), values: buckets.map(({ messages_in }) => messages_in.messages), colour: '--accent' },
      { label: t('f_out'), values: buckets.map(({ messages_out }) => messages_out.messages), colour: '--warn' });
    const seconds = (ms) => (ms === null ? null : ms / 1000);
    curve(t('c_first'), (value) => time(value * 1000),
      { label: t('median'), values: buckets.map(({ first_response }) => seconds(first_response.median_ms)), colour: '--accent' },
      { label: '90 %', values: buckets.map(({ first_response }) => seconds(first_response.p90_ms)), colour: '--bad' });
    curve(t('c_within'), (value) => share(value / 100), { label: t('f_within'), values: buckets.map(({ within_30s }) => (within_30s.share === null ? null : within_30s.share * 100)), colour: '--accent' });
    by.replaceChildren(agents(figures.agents));
  }

  period.addEventListener('change', () => { view.filter({ period: period.value }); read(); });
  read();
  return el('div', {}, el('header.head', {}, el('h2', {}, t('section_statistics')), el('label', {}, el('span.unseen', {}, t('period')), period)), total, charts, by);
}

function agents(rows) {
  const link = ({ tickets }, words) => el('a', { href: listOf(tickets) }, words);
  const columns = [
    [t('f_claimed'), ({ claimed }) => link(claimed, count(claimed.count))],
    [t('f_resolved'), ({ resolved }) => link(resolved, count(resolved.count))],
    [t('f_out'), ({ messages_out: out }) => link(out, count(out.messages))],
    [t('f_first'), ({ first_response: first }) => link(first, time(first.median_ms))],
    [t('f_resolution'), ({ resolution }) => link(resolution, time(resolution.median_ms))],
    [t('f_within'), ({ within_30s: within }) => share(within.share)],
    [t('f_rating'), ({ ratings }) => link(ratings, score(ratings.average))],
  ];
  return el('table', {},
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, t('agent')), ...columns.map(([head]) => el('th.number', { scope: 'col' }, head)))),
    el('tbody', {}, ...rows.map((row) => el('tr', {}, el('td', {}, nameOf(row.agent)), ...columns.map(([, cell]) => el('td.number', {}, cell(row)))))));
}

/**
 * One chart, as wide as its box.
 * @param {HTMLElement} box
 * @param {object} what
 * @param {string} what.title
 * @param {(value: number) => string} what.write a value in words
 * @param {'hour'|'day'|'week'} what.bucket
 * @param {string} what.zone of time
 * @param {number[]} what.at when each bucket begins, in seconds since 1970
 * @param {{label: string, values: (number|null)[], colour: string}[]} what.lines
 */
function chart(box, { title, write, bucket, zone, at, lines }) {
  const room = el('div');
  box.append(el('section.chart', { 'aria-label': title }, el('h3', {}, title), room));
  const style = getComputedStyle(document.documentElement);
  /** Canvases know no `light-dark()`: a probe tells what a colour comes to. */
  const colour = (name) => {
    const probe = el('i', { hidden: true });
    probe.style.color = style.getPropertyValue(name);
    room.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const axis = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line'), width: 1 } };
  const plot = new window.uPlot({
    width: room.clientWidth || 420,
    height: 190,
    tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), zone),
    scales: { y: { range: (_, low, high) => [0, Math.max(1, high ?? 1)] } },
    axes: [
      { ...axis, values: (_, at) => at.map((seconds) => written(seconds * 1000, { timeZone: zone, ...(bucket === 'hour' ? HOUR : DAY) })) },
      { ...axis, size: 52, incrs: STEPS, values: (_, values) => values.map(write) },
    ],
    // The value under the mouse; nothing while it is elsewhere.
    series: [{}, ...lines.map(({ label, colour: name }) => ({ label, stroke: colour(name), width: 2, points: { size: 5 }, value: (_, value) => (value === null || value === undefined ? '' : write(value)) }))],
  }, [at, ...lines.map(({ values }) => values)], room);
  new ResizeObserver(() => { if (room.clientWidth) plot.setSize({ width: room.clientWidth, height: 190 }); }).observe(room);
}
