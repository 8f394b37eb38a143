// The fields of a stage's form, made from the JSON schema of its settings.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

export interface Field {
  name: string
  description: string
  kind: 'boolean' | 'choice' | 'integer' | 'number' | 'text' | 'list' | 'other'
  default: Json
  choices: string[]
  /** Ends of the range; null where it has none. */
  least: number | null
  most: number | null
  step: number
  nullable: boolean
}

interface Schema {
  [key: string]: unknown
}

/** In the order of the schema. References are followed; what is neither number, text, choice nor list is `other`. */
export function fieldsOf(schema: Schema): Field[] {
  const properties = (schema.properties ?? {}) as Record<string, Schema>
  return Object.entries(properties).map(([name, given]) => fieldOf(name, given, schema))
}

function fieldOf(name: string, given: Schema, root: Schema): Field {
  const options = (given.anyOf as Schema[] | undefined) ?? [given]
  const own = resolve(options.find((option) => option.type !== 'null') ?? given, root)
  const choices = (own.enum as string[] | undefined) ?? (own.const !== undefined ? [String(own.const)] : [])
  const kind = choices.length ? 'choice' : kindOf(own.type)
  const least = (own.minimum ?? own.exclusiveMinimum ?? null) as number | null
  const most = (own.maximum ?? own.exclusiveMaximum ?? null) as number | null
  return {
    name,
    description: String(given.description ?? own.description ?? ''),
    kind,
    default: (given.default ?? null) as Json,
    choices,
    least,
    most,
    step: kind === 'integer' ? ((own.multipleOf as number | undefined) ?? 1) : stepOf(least, most),
    nullable: options.some((option) => option.type === 'null'),
  }
}

function resolve(given: Schema, root: Schema): Schema {
  if (typeof given.$ref !== 'string') return given
  const name = given.$ref.split('/').at(-1)!
  return ((root.$defs ?? {}) as Record<string, Schema>)[name] ?? given
}

function kindOf(type: unknown): Field['kind'] {
  if (type === 'boolean' || type === 'integer' || type === 'number') return type
  if (type === 'string') return 'text'
  return type === 'array' ? 'list' : 'other'
}

/** A hundredth of a range of about 1, a tenth of one of about 10. */
function stepOf(least: number | null, most: number | null): number {
  const span = least !== null && most !== null ? most - least : 10
  return span <= 2 ? 0.01 : span <= 50 ? 0.1 : 1
}

const WIDE = 100

/** Where on a slider, 0 to 1, a value stands: wide ranges from 0 or 1 on are logarithmic, as most values are small. */
export function toSlider(field: Field, value: number): number {
  const [least, most] = [field.least ?? 0, field.most ?? 1]
  const at = wide(field) ? Math.log1p(value - least) / Math.log1p(most - least) : (value - least) / (most - least)
  return Math.min(1, Math.max(0, at))
}

/** The value there, in whole steps and within the range. */
export function fromSlider(field: Field, at: number): number {
  const [least, most] = [field.least ?? 0, field.most ?? 1]
  const value = wide(field) ? least + Math.expm1(at * Math.log1p(most - least)) : least + at * (most - least)
  const stepped = Math.round(value / field.step) * field.step
  return Number(Math.min(most, Math.max(least, stepped)).toFixed(6))
}

function wide(field: Field): boolean {
  return field.least !== null && field.most !== null && field.least >= 0 && field.most - field.least > WIDE
}

export function same(a: Json | undefined, b: Json | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
