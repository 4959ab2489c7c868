// A consumer of the golden vectors in another language: it knows the rules of schedules, releases and grace for itself,
// reads the vectors, and prints what differs. Nothing of the ledger is used.
import { readFileSync } from "node:fs";

const DAY = 86_400_000;
const at = (text) => Date.parse(`${text}T00:00:00Z`);
const text = (day) => new Date(day).toISOString().slice(0, 10);

function monthsFrom(anchor, months) {
  const first = new Date(anchor);
  const last = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + months + 1, 0));
  const day = Math.min(first.getUTCDate(), last.getUTCDate());
  return Date.UTC(last.getUTCFullYear(), last.getUTCMonth(), day);
}

function dueDates(terms, openedOn) {
  const { schedule, installments } = terms;
  if (schedule.kind === "explicit") return schedule.lines.map(([due]) => at(due));
  const anchor = at(terms.first_due_on ?? openedOn);
  return Array.from({ length: installments }, (_, i) =>
    schedule.kind === "monthly" ? monthsFrom(anchor, i) : anchor + i * schedule.days * DAY,
  );
}

function amounts(terms) {
  if (terms.schedule.kind === "explicit") return terms.schedule.lines.map(([, amount]) => BigInt(amount));
  const [price, count, unit] = [terms.price.minor, terms.installments, terms.rounding_unit].map(BigInt);
  const regular = ((price + count * unit - 1n) / (count * unit)) * unit;
  const last = price - regular * (count - 1n);
  return Array.from({ length: Number(count) }, (_, i) => (i + 1 < Number(count) ? regular : last));
}

function released(terms, money) {
  const { release } = terms;
  if (release.kind === "explicit") return release.shares.map(BigInt);
  const [over, under = "1"] = (release.rate ?? release.fraction).split("/");
  if (release.kind === "per_unit") {
    return money.map((amount) => (amount * BigInt(over)) / (BigInt(under) * 10n ** BigInt(terms.minor_digits)));
  }
  const count = BigInt(money.length);
  const after = (i) => (BigInt(over) * BigInt(terms.shares) * BigInt(i)) / (BigInt(under) * count);
  return money.map((_, i) => after(i + 1) - after(i));
}

// Grace of a plan on which payments only were made: that of the oldest unsettled installment.
function standing(vector, answer, dues, money) {
  const known = answer.known_at === null ? Infinity : Date.parse(answer.known_at);
  const asOf = at(answer.as_of);
  const paid = vector.facts
    .filter((fact) => at(fact.effective_on) <= asOf && Date.parse(fact.recorded_at) <= known)
    .reduce((sum, fact) => sum + BigInt(fact.amount.minor), 0n);
  let owed = 0n;
  const open = money.findIndex((amount) => (owed += amount) > paid);
  if (open < 0) return { status: "completed", days_past_due: 0, days_left: null, grace_ends_on: null };
  const late = Math.max(0, (asOf - dues[open]) / DAY);
  const left = vector.terms.grace_days - late;
  if (left < 0) return { status: "cancelled", days_past_due: 0, days_left: null, grace_ends_on: null };
  if (late === 0) return { status: "active", days_past_due: 0, days_left: null, grace_ends_on: null };
  const ends = text(dues[open] + vector.terms.grace_days * DAY);
  return { status: "in_grace", days_past_due: late, days_left: left, grace_ends_on: ends };
}

const { cases } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const problems = [];
let [schedules, graces] = [0, 0];
for (const vector of cases.filter((one) => one.schedule.length > 0)) {
  const dues = dueDates(vector.terms, vector.opened_on);
  const money = amounts(vector.terms);
  const shares = released(vector.terms, money);
  const mine = dues.map((due, i) => [i + 1, text(due), Number(money[i]), Number(shares[i])].join());
  const theirs = vector.schedule.map((line) => [line.number, line.due_on, line.amount, line.shares].join());
  if (mine.join(";") !== theirs.join(";")) problems.push(`${vector.name}: schedule ${mine.join("; ")}`);
  schedules += 1;
  if (!vector.facts.every((fact) => fact.type === "payment_made.v1")) continue;
  for (const answer of vector.answers) {
    const found = standing(vector, answer, dues, money);
    const { status, days_past_due, grace_ends_on } = answer.position;
    const expected = { status, days_past_due, days_left: answer.overdue?.days_left ?? null, grace_ends_on };
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      problems.push(`${vector.name} as of ${answer.as_of}: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
    }
    graces += 1;
  }
}
problems.forEach((problem) => console.log(problem));
console.log(`${schedules} schedules, ${graces} graces, ${problems.length} differences`);
process.exit(problems.length > 0 ? 1 : 0);
