import type { components } from './schema';

type Schemas = components['schemas'];

// Short names for what the screens speak of; the shapes are generated from the contract.
export type Actor = Schemas['Actor'];
export type BrowserSession = Schemas['BrowserSession'];
export type Card = Schemas['Card'];
export type Change = Schemas['Change'];
export type ChangeKind = Schemas['ChangeKind'];
export type CurrencyMetrics = Schemas['CurrencyMetrics'];
export type Customer = Schemas['Customer'];
export type CustomerKind = Schemas['CustomerKind'];
export type CustomerMetrics = Schemas['CustomerMetrics'];
export type CustomerInput = Schemas['CustomerInput'];
export type Duplicate = Schemas['Duplicate'];
export type EmailInput = Schemas['EmailInput'];
export type Favourite = Schemas['Favourite'];
export type MonthFigures = Schemas['MonthFigures'];
export type Order = Schemas['Order'];
export type Origin = Schemas['Origin'];
export type PhoneInput = Schemas['PhoneInput'];
export type SectionStatus = Schemas['SectionStatus'];
export type StatusGroup = Schemas['StatusGroup'];
export type TimelineEntry = Schemas['TimelineEntry'];
export type TimelineKind = Schemas['TimelineKind'];
