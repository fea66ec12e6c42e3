"""Words the rules look up: what may begin with a capital without being a name, given names, relations, numbers."""

from __future__ import annotations

__all__ = ["ABBREVIATIONS", "GIVEN_NAMES", "KNOWN_WORDS", "MONTHS", "RELATIONS", "SEX_OF_RELATION"]

MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"

ABBREVIATIONS = frozenset(
    """
    pt pts dr mr mrs ms e.g i.e eg ie vs approx dx hx tx rx sx fx wt ht st prof sr jr resp cont incl neuro psych prn re ca
    cf al fig no abd ext lt rt w/u c/o s/p y.o q.d b.i.d t.i.d q.h.s p.r.n p.o etc a.m p.m yr yrs mo mos wk wks min mins
    hr hrs est avg gen med meds dept
    """.split()  # noqa: SIM905 - a page of words reads better than a list of strings
)
"""What a full stop may follow within a sentence; before a capitalised word the time words end one all the same."""

RELATIONS: dict[str, str] = {
    "wife": "wife", "husband": "husband", "spouse": "spouse", "partner": "spouse",
    "daughter": "daughter", "daughters": "daughter", "son": "son", "sons": "son",
    "child": "child", "children": "child",
    "sister": "sister", "brother": "brother", "sibling": "sibling", "siblings": "sibling",
    "grandson": "grandchild", "granddaughter": "grandchild", "grandchild": "grandchild", "grandchildren": "grandchild",
    "friend": "friend", "friends": "friend", "neighbor": "friend", "neighbour": "friend",
    "caregiver": "caregiver", "carer": "caregiver", "aide": "caregiver",
    "family": "family", "relative": "family", "relatives": "family",
    "niece": "family", "nephew": "family", "daughter-in-law": "family", "son-in-law": "family",
}  # fmt: skip
"""A word for who is near the patient -> the `Informant` it names."""

SEX_OF_RELATION: dict[str, str] = {
    "wife": "female", "daughter": "female", "daughters": "female", "sister": "female", "granddaughter": "female",
    "niece": "female", "mother": "female", "mom": "female", "aunt": "female", "grandmother": "female", "lady": "female",
    "woman": "female", "women": "female", "girl": "female", "daughter-in-law": "female", "sister-in-law": "female",
    "husband": "male", "son": "male", "sons": "male", "brother": "male", "grandson": "male", "nephew": "male",
    "father": "male", "dad": "male", "uncle": "male", "grandfather": "male", "man": "male", "men": "male",
    "gentleman": "male", "boy": "male", "son-in-law": "male", "brother-in-law": "male", "priest": "male",
    "spouse": "any", "partner": "any", "child": "any", "children": "any", "sibling": "any", "grandchild": "any",
    "friend": "any", "neighbor": "any", "neighbour": "any", "caregiver": "any", "carer": "any", "aide": "any",
    "nurse": "any", "relative": "any", "therapist": "any", "physician": "any", "doctor": "any", "pastor": "any",
    "examiner": "any", "driver": "any", "cousin": "any", "boss": "any", "coworker": "any",
}  # fmt: skip
"""Other persons a pronoun may stand for, and their sex."""

KNOWN_WORDS = frozenset(
    """
    a an the this that these those he she it they we i his her their its him them who whom whose which what when where why
    how and or but nor so yet if then than because although though while whereas since until unless after before during
    in on at by for from with without of to into onto over under between among about against per via within
    no not none never denies denied reports reported states stated says said notes noted describes described
    endorses endorsed complains admits mentions confirms observes observed acknowledges adds feels finds
    patient patients pt pts client resident individual subject informant caregiver carer collateral examiner clinician
    provider physician doctor nurse nursing staff family relative spouse husband wife partner daughter son sister brother
    sibling child children grandson granddaughter grandchild niece nephew mother father mom dad parents grandmother
    grandfather aunt uncle cousin friend neighbor neighbour aide home facility hospital clinic center centre unit ward
    memory neurology neuropsychology neuropsychological psychiatry psychology psychological geriatrics geriatric gerontology
    radiology cardiology speech language pathology pathologist occupational physical therapy therapist social work worker
    primary care medicine internal emergency department service services office team visit consult consultation
    assisted living adult day program respite hospice palliative senior long term memory skilled rehabilitation
    alzheimer alzheimer's alzheimers parkinson parkinson's parkinsonism parkinsonian lewy pick pick's huntington
    huntington's creutzfeldt jakob korsakoff korsakoff's wernicke wernicke's broca broca's babinski romberg capgras
    sundowning binswanger down down's rey osterrieth stroop boston montreal addenbrooke addenbrooke's mattis zarit katz
    lawton barthel cornell hamilton beck wechsler hachinski hopkins california braden tinetti berg epworth
    folstein blessed reisberg pfeffer mini mental state examination exam test tests trail trails making clock drawing naming
    depression scale rating inventory questionnaire battery index assessment screen screening interview burden figure
    verbal learning digit span symbol coding revised cognitive cognition abilities instrument cornell dementia clinical
    global deterioration staging functional activities instrumental daily status part version score
    mri ct pet eeg ecg csf apoe mmse moca cdr gds faq adl iadl npi slums adas cog rbans cerad who ad
    donepezil rivastigmine galantamine memantine lecanemab donanemab aducanumab aricept exelon razadyne namenda namzaric
    leqembi kisunla tylenol ativan zoloft lexapro celexa remeron seroquel risperdal haldol zyprexa xanax ambien trazodone
    sertraline citalopram escitalopram mirtazapine quetiapine risperidone melatonin lorazepam ensure aspirin metformin
    lisinopril gingko ginkgo vitamin omega depends
    spanish english french german italian russian chinese mandarin cantonese korean japanese vietnamese tagalog polish
    portuguese arabic hindi american americans african hispanic latino latina latinx white black asian caucasian european
    mexican puerto rican native hawaiian alaska alaskan indian pacific islander
    monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays sundays
    thanksgiving christmas easter hanukkah passover ramadan god bible catholic jewish christian church mass medicare
    medicaid veterans veteran affairs army navy vietnam korea world war meals wheels alarm
    internet tv google facebook zoom ipad iphone gps
    u s er ed icu pcp hpi pmh ros ros: fhx shx a/p
    history impression plan subjective objective interval cc today currently recently per overall also most some many
    yes ok okay good bad poor mild moderate severe progressive gradual new known stable worsening increasing increased
    decreased frequent occasional intermittent persistent ongoing marked noticeable significant notable recent chronic acute
    one two three four five six seven eight nine ten several few both each every all any other another such same
    is are was were be been being has have had do does did can cannot could may might must shall should will would
    mexico cuba china india italy germany poland korea vietnam philippines ireland japan russia france england canada
    united states america africa europe asia rico
    chart charts record records documentation testing imaging note exam collateral
    unable able there here now still only even just once twice often sometimes usually always rarely
    """.split()  # noqa: SIM905 - a page of words reads better than a list of strings
)
"""Words that are no names of people or places, in lower case; the pack's own words are added to them."""

GIVEN_NAMES = frozenset(
    """
    james robert john michael david william richard joseph thomas christopher charles daniel matthew anthony donald steven
    paul andrew joshua kenneth kevin brian george timothy ronald edward jason jeffrey ryan jacob gary nicholas eric
    jonathan stephen larry justin scott brandon benjamin samuel gregory alexander patrick raymond dennis jerry tyler
    aaron jose adam nathan henry zachary douglas peter kyle noah ethan jeremy walter keith roger austin
    sean gerald carl harold dylan arthur lawrence jordan jesse bryan billy bruce gabriel joe logan alan juan albert willie
    elijah wayne randy vincent roy ralph bobby russell bradley philip eugene louis luis carlos miguel pedro manuel
    mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy sandra betty ashley emily kimberly
    margaret donna michelle amanda melissa deborah stephanie rebecca sharon laura cynthia dorothy amy kathleen angela
    shirley emma brenda pamela nicole anna samantha katherine christine helen debra rachel carolyn janet maria olivia heather
    diane catherine julie victoria joyce lauren kelly christina ruth joan virginia judith evelyn hannah andrea megan cheryl
    jacqueline madison teresa abigail sophia martha sara gloria janice kathryn ann isabella judy julia jane alice denise
    frances marilyn beverly doris irene edna gladys ethel mildred florence edith ida rosa carmen guadalupe
    """.split()  # noqa: SIM905 - a page of words reads better than a list of strings
)
"""Frequent given names (United States census, public domain) without those that are also words of a note."""
