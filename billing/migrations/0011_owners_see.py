"""What owners see of costs: a setting of the platform and of each workspace."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("billing", "0010_alerts_by_limit")]

    operations: ClassVar = [
        migrations.AddField(
            "workspacebillingsettings",
            "owners_see",
            models.CharField(
                blank=True,
                choices=[("price", "Price"), ("price_and_cost", "Price and cost")],
                default="",
                help_text="Of usage: its price, or what providers charge for it and the markup"
                " too. Empty: as the platform says.",
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            "workspacebillingsettings",
            models.CheckConstraint(
                condition=models.Q(owners_see__in=["", "price", "price_and_cost"]),
                name="owners_see_is_known",
            ),
        ),
        migrations.AlterField(
            "platformsetting",
            "name",
            models.CharField(
                choices=[
                    ("pricing_markup_percentage", "Pricing markup, percent"),
                    ("owners_see_cost", "What owners see"),
                ],
                max_length=64,
                primary_key=True,
                serialize=False,
            ),
        ),
        migrations.RemoveConstraint("platformsetting", "platform_setting_is_known"),
        migrations.AddConstraint(
            "platformsetting",
            models.CheckConstraint(
                condition=models.Q(name="pricing_markup_percentage")
                | models.Q(name="owners_see_cost", value__in=[0, 1]),
                name="platform_setting_is_known",
            ),
        ),
    ]
