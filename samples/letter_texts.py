"""The words of the sample letters. All of it is invented: the office, the people, the numbers.

A letter is a list of pages, a page a list of (style, content) blocks. The styles are those of
`make_samples.py`: title, heading, text, item, row (a tuple of cells), rule and small.
"""

OFFICE = "Meridian County Benefits Office"
ADDRESS = "400 Harbour Street, Meridian 00417"
RECIPIENT = "Jordan A. Sample, 12 Example Lane, Meridian 00418"
CLAIM = "Claim number MC-2026-004417"

DECISION = [
    [
        ("title", OFFICE),
        ("small", f"{ADDRESS} · Telephone 555 0100 · benefits@meridian.example"),
        ("rule", ""),
        ("small", "14 September 2026"),
        ("small", RECIPIENT),
        ("small", CLAIM),
        ("heading", "Decision on your claim for disability benefits"),
        ("text", "Dear Jordan Sample,"),
        ("text", "We have decided your claim for disability benefits, which we received on 3 March 2026. "
                 "We granted benefits for one condition and denied benefits for three others. This letter tells you "
                 "what we decided, why we decided it, what evidence we used, and what you can do if you disagree."),
        ("heading", "1. What we decided"),
        ("row", ("Condition", "Decision", "Rating", "From")),
        ("row", ("Tinnitus", "Granted", "10 %", "3 March 2026")),
        ("row", ("Lumbar strain (lower back)", "Denied", "-", "-")),
        ("row", ("Migraine headaches", "Denied", "-", "-")),
        ("row", ("Obstructive sleep apnoea", "Denied", "-", "-")),
        ("text", "Your combined rating is 10 %. Your monthly payment will be 171.23, starting on 1 April 2026. "
                 "A first payment of 1,027.38 for the months April to September 2026 will reach your account by "
                 "30 September 2026."),
        ("heading", "2. Evidence we considered"),
        ("item", "Your application, received on 3 March 2026."),
        ("item", "Service treatment records, January 2008 to December 2014."),
        ("item", "Records of the Meridian Clinic, February 2019 to April 2026."),
        ("item", "Report of the hearing examination of 11 June 2026 by Dr. R. Example."),
        ("item", "Report of the examination of the spine of 18 June 2026 by Dr. P. Placeholder."),
        ("item", "Statement of a former colleague, received on 2 June 2026."),
    ],
    [
        ("heading", "3. Reasons for our decision"),
        ("heading", "3.1 Tinnitus: granted at 10 %"),
        ("text", "Your records show that you worked on a flight line for four years. The examiner found that your "
                 "tinnitus is at least as likely as not due to noise during that time. Ten per cent is the highest "
                 "rating that the schedule allows for this condition."),
        ("heading", "3.2 Lumbar strain: denied"),
        ("text", "To grant benefits we need evidence of three things: a current diagnosis, an event during service, "
                 "and a medical link between the two. You have a current diagnosis of lumbar strain. Your service "
                 "records note back pain once, on 22 August 2011, after lifting. The examiner of 18 June 2026 gave the "
                 "opinion that your present condition is less likely than not related to that event, because no "
                 "treatment is recorded between September 2011 and February 2019. We found no other medical opinion "
                 "in your file."),
        ("heading", "3.3 Migraine headaches: denied"),
        ("text", "Your clinic records show headaches since 2020, but no doctor has diagnosed migraine. A symptom "
                 "without a diagnosis is not enough to grant benefits. If a doctor has diagnosed migraine, please "
                 "send us the record."),
        ("heading", "3.4 Obstructive sleep apnoea: denied"),
        ("text", "You have a current diagnosis, confirmed by a sleep study of 9 October 2024. Your service records "
                 "are silent about sleep problems, and you left service ten years before the study. The statement "
                 "of your former colleague describes loud snoring in 2013. We considered it, and found that it does "
                 "not by itself show that sleep apnoea began during service. No medical opinion connects the two."),
        ("heading", "4. Findings in your favour"),
        ("item", "You have current diagnoses of tinnitus, lumbar strain and obstructive sleep apnoea."),
        ("item", "An event during service is shown for tinnitus and for the back."),
        ("item", "Your former colleague's statement is credible as to what he heard."),
    ],
    [
        ("heading", "5. What you can do if you disagree"),
        ("text", "You have one year from the date of this letter. We must receive your request on or before "
                 "14 September 2027. You may choose one of these for each condition:"),
        ("row", ("Way", "When it suits", "Form", "Usual time")),
        ("row", ("Supplemental claim", "You have new evidence", "MC-0995", "4 to 5 months")),
        ("row", ("Higher-level review", "You see an error, no new evidence", "MC-0996", "4 to 5 months")),
        ("row", ("Appeal to the board", "You want a hearing by a judge", "MC-1018", "12 months or more")),
        ("heading", "6. Evidence that could change the decision"),
        ("item", "Back: a medical opinion that explains how the event of 22 August 2011 relates to your condition "
                 "today, or records of treatment between 2011 and 2019."),
        ("item", "Migraine: a diagnosis by a doctor, and a diary of attacks over at least three months."),
        ("item", "Sleep apnoea: a medical opinion that connects it with your service, or with another condition for "
                 "which you receive benefits."),
        ("heading", "7. Dates to keep"),
        ("row", ("Date", "What", "", "")),
        ("row", ("30 September 2026", "First payment arrives", "", "")),
        ("row", ("14 November 2026", "Last day to ask for a copy of the examinations free of charge", "", "")),
        ("row", ("14 September 2027", "Last day for a supplemental claim, a review or an appeal", "", "")),
        ("heading", "8. Help that costs you nothing"),
        ("text", "Accredited representatives help with claims free of charge. Our office keeps a list of them: "
                 "telephone 555 0100, weekdays from 8 a.m. to 4 p.m. Nobody may charge you for help with a first claim."),
        ("text", "Yours sincerely,"),
        ("text", "M. Fictional, Adjudication Officer"),
        ("small", "Enclosures: form MC-0995, form MC-0996, form MC-1018, list of accredited representatives"),
    ],
]

SCANNED = [
    [
        ("title", OFFICE),
        ("small", ADDRESS),
        ("rule", ""),
        ("small", "2 June 2026"),
        ("small", RECIPIENT),
        ("small", CLAIM),
        ("heading", "We need more information for your claim"),
        ("text", "Dear Jordan Sample,"),
        ("text", "We are working on your claim of 3 March 2026. Before we can decide it, we need the following from "
                 "you by 2 July 2026:"),
        ("item", "The name and address of the clinic that treated your back between 2011 and 2019."),
        ("item", "A signed form MC-4142, so that we may ask the clinic for your records."),
        ("item", "A statement in your own words about your headaches: how often they come, how long they last, and "
                 "what you cannot do while you have them."),
        ("text", "If we do not hear from you by that date, we will decide on the evidence we have. You may still send "
                 "evidence later, but your payments may then start later."),
    ],
    [
        ("heading", "How to send your answer"),
        ("item", "On paper, to the address at the head of this letter."),
        ("item", "By fax, to 555 0101."),
        ("item", "Through the online account, under Claims, then Upload evidence."),
        ("text", "Please write your claim number on every page."),
        ("heading", "Your examination"),
        ("text", "An examination of your hearing is arranged for 11 June 2026 at 9.30 a.m. at the Meridian Clinic, "
                 "room 214. If you cannot come, call 555 0102 at least two days before. If you miss the examination "
                 "without a good reason, we may have to deny the claim."),
        ("text", "Yours sincerely,"),
        ("text", "M. Fictional, Adjudication Officer"),
    ],
]

PHOTO = [
    ("title", OFFICE),
    ("rule", ""),
    ("small", "21 July 2026"),
    ("small", CLAIM),
    ("heading", "We received your statement"),
    ("text", "Dear Jordan Sample,"),
    ("text", "Thank you for your statement of 28 June 2026 and the signed form MC-4142. We have asked the Meridian "
             "Clinic for your records. The clinic has 30 days to answer."),
    ("text", "You need not do anything now. We expect to decide your claim before 30 September 2026, and will write "
             "to you as soon as we have."),
    ("heading", "If your situation changes"),
    ("text", "Tell us within 30 days if you move, marry or divorce, if a child leaves school, or if you go to "
             "hospital for more than 21 days."),
    ("text", "Yours sincerely,"),
    ("text", "M. Fictional, Adjudication Officer"),
]

STATEMENT = [
    ("title", OFFICE),
    ("small", "Statement of payments · 1 April to 30 September 2026"),
    ("small", CLAIM + " · Jordan A. Sample"),
    ("rule", ""),
    ("row", ("Month", "Benefit", "Withheld", "Paid")),
    ("row", ("April 2026", "171.23", "0.00", "171.23")),
    ("row", ("May 2026", "171.23", "0.00", "171.23")),
    ("row", ("June 2026", "171.23", "0.00", "171.23")),
    ("row", ("July 2026", "171.23", "0.00", "171.23")),
    ("row", ("August 2026", "171.23", "0.00", "171.23")),
    ("row", ("September 2026", "171.23", "25.00", "146.23")),
    ("rule", ""),
    ("row", ("Total", "1,027.38", "25.00", "1,002.38")),
    ("text", "25.00 were withheld in September 2026 to repay an earlier overpayment of 150.00. The rest will be "
             "withheld in five equal parts from October 2026 to February 2027. If this causes you hardship, ask for "
             "a waiver with form MC-5655 before 31 October 2026."),
]

FAX = [
    [
        ("title", "Fax"),
        ("row", ("To", OFFICE, "", "")),
        ("row", ("Fax", "555 0101", "", "")),
        ("row", ("From", "Meridian Clinic, Records", "", "")),
        ("row", ("Pages", "3 with this one", "", "")),
        ("rule", ""),
        ("text", "Re: request for records of 20 July 2026, " + CLAIM + ", patient Jordan A. Sample."),
        ("text", "Please find enclosed the records you asked for. Records before February 2019 were not found."),
    ],
    [
        ("heading", "Visit of 14 February 2019"),
        ("text", "Complaint: lower back pain for some years, worse since the winter. No fall, no accident."),
        ("text", "Findings: forward bending to 70 degrees with pain at the end. Straight leg raise without findings "
                 "on both sides. Reflexes equal. No weakness."),
        ("text", "Assessment: lumbar strain, long-standing. The patient says that it began with lifting a generator "
                 "while in service."),
        ("text", "Plan: exercises, a review in six weeks."),
    ],
    [
        ("heading", "Visit of 9 October 2024: sleep study"),
        ("row", ("Measure", "Value", "Normal", "")),
        ("row", ("Apnoea-hypopnoea index", "22 per hour", "below 5", "")),
        ("row", ("Lowest oxygen saturation", "84 %", "above 90 %", "")),
        ("row", ("Sleep efficiency", "71 %", "above 85 %", "")),
        ("text", "Assessment: moderate obstructive sleep apnoea. A mask with positive pressure was prescribed."),
        ("text", "Signed: Dr. P. Placeholder"),
    ],
]
