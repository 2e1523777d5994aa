"""Everyday words that callers and documents use for one another.

Only what people say of shops, services and offices of every kind; a trade's own terms belong in
its documents. Each line is a group; a word may be in several. They are stemmed before use, so one
form of each is enough.
"""

SYNONYM_NEARNESS = 0.8
"""What it counts when a passage has a synonym in place of a word that no passage has."""
RIVAL_NEARNESS = 0.6
"""The same when other passages have the word itself: they are more likely to be meant."""

_ENGLISH = """
cost price charge fee rate free
pay payment
buy purchase shop order
repair mend fix
break damaged faulty defective
warranty guarantee
return send
refund reimburse money
parcel package shipment box
ship shipping deliver delivery send dispatch
phone telephone call ring
email mail write
delete remove erase close
cancel resign withdraw
lose missing stolen
vacation holiday leave
begin start
end finish expire expiry
open opening hours
close shut closing
car drive parking park garage
address location place street
job career vacancy hire recruit
boss manager director
customer client buyer
bill invoice receipt
discount reduction voucher
instalment installment
clean wash wipe
fast quick express rapid
cheap inexpensive
free gratis complimentary
change alter modify
choose select pick
password passcode
join register enrol signup
exchange swap replace replacement
unsubscribe stop cancel
member membership
complain complaint dissatisfied
valid validity expire lapse
monday tuesday wednesday thursday friday saturday sunday
abroad overseas international foreign country
online website internet web
"""

_ARABIC = """
تكلفه سعر ثمن رسوم اجره مقابل مجاني
دفع سداد تسديد
شراء اقتناء مشتريات
اصلاح تصليح صيانه ترميم
مكسور تالف معطل
ضمان كفاله
ارجاع استرجاع اعاده مرتجع رد
نقود مال مبلغ فلوس
طرد شحنه صندوق
شحن توصيل ارسال
هاتف تلفون جوال موبايل
اتصال مكالمه
حذف ازاله محو
الغاء تراجع تلغي الغي
ضاع فقد مفقود سرق
اجازه عطله
بدايه بدء
انتهاء نهايه
موعد مواعيد ساعات دوام
اغلاق نغلق قفل
سياره مواقف موقف
عنوان موقع مكان
وظيفه عمل توظيف
موظف عامل
زبون عميل مشتري
فاتوره ايصال
خصم تخفيض
تنظيف غسل مسح
سريع عاجل مستعجل
مجاني مجانا
تغيير تعديل تبديل استبدال
تسجيل انضمام اشتراك
مدير مسؤول
شكوي تظلم
سنه سنوات عام اعوام
يوم ايام
شهر اشهر شهور
تبقي تظل تستمر
صالح صلاحيه
السبت الاحد الاثنين الثلاثاء الاربعاء الخميس الجمعه
السر المرور
يغطي يشمل
"""

GROUPS: tuple[tuple[str, ...], ...] = tuple(
    tuple(line.split()) for line in (_ENGLISH + _ARABIC).splitlines() if line
)
